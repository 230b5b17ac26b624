package tree_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/tree"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// shop is an S3 server in this process, whose network can be cut at any request.
type shop struct {
	*httptest.Server
	mu    sync.Mutex
	asked int  // requests that write, since it was mended
	last  int  // the one after which nothing comes through any more; 0 for none
	lost  bool // that one is done, and only its answer is lost
	first func(r *http.Request)
}

// mend brings the network back, until a request of that number.
func (s *shop) mend(last int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.last, s.lost = 0, last, lost
}

// before calls f ahead of each request.
func (s *shop) before(f func(r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = f
}

func (s *shop) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func newShop(t testing.TB) *shop {
	t.Helper()
	back := s3mem.New()
	if err := back.CreateBucket(storagetest.Bucket); err != nil {
		t.Fatal(err)
	}
	real := gofakes3.New(back, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.asked++
		}
		dead := s.last > 0 && s.asked >= s.last
		does := !dead || s.lost && s.asked == s.last && r.Method != http.MethodGet && r.Method != http.MethodHead
		first := s.first
		s.mu.Unlock()
		if first != nil {
			first(r)
		}
		switch {
		case !dead:
			real.ServeHTTP(w, r)
			return
		case does:
			real.ServeHTTP(httptest.NewRecorder(), r)
		default:
			io.Copy(io.Discard, r.Body)
		}
		w.WriteHeader(http.StatusForbidden) // which nobody tries again
	}))
	t.Cleanup(s.Close)
	return s
}

// bucketWorld is a world whose production is on a store.
type bucketWorld struct {
	*world
	endpoint string
	store    *storage.S3
}

const productionOnStore = "store:shop/mirror"

func newBucketWorld(t testing.TB, at, endpoint string) *bucketWorld {
	t.Helper()
	w := &bucketWorld{world: newWorld(t, at), endpoint: endpoint}
	w.cfg.Stores = []config.Store{{Name: "shop", Endpoint: endpoint, Bucket: storagetest.Bucket, PathStyle: true}}
	w.tree().Production.Root = productionOnStore
	w.store = w.client()
	return w
}

func (w *bucketWorld) client() *storage.S3 {
	w.t.Helper()
	s, err := storage.OpenS3(context.Background(), storage.S3Options{
		Endpoint: w.endpoint, Bucket: storagetest.Bucket, Prefix: "mirror", PathStyle: true,
		AccessKey: storagetest.Access, SecretKey: storagetest.Secret})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

func (w *bucketWorld) env() *pipeline.Env {
	env := w.world.env()
	env.Area = w.area
	return env
}

func (w *bucketWorld) area(_ context.Context, what, place string) (storage.Store, error) {
	if place != productionOnStore {
		return nil, fmt.Errorf("%s is asked for at %s", what, place)
	}
	return w.store, nil
}

// run plans and runs, as two steps.
func (w *bucketWorld) run(uses string, with map[string]string) (pipeline.Plan, error) {
	w.t.Helper()
	plan, err := w.step(uses, with).Plan(w.t.Context(), w.env())
	if err != nil {
		return plan, err
	}
	s := w.step(uses, with)
	again, err := s.Plan(w.t.Context(), w.env())
	if err != nil {
		return plan, err
	}
	if again.Digest() != plan.Digest() {
		w.t.Fatalf("two plans of the same world differ:\n%+v\n%+v", plan, again)
	}
	_, err = s.Run(w.t.Context(), w.env(), plan, quiet())
	return plan, err
}

func (w *bucketWorld) must(uses string) pipeline.Plan {
	w.t.Helper()
	p, err := w.run(uses, nil)
	if err != nil {
		w.t.Fatalf("%s: %v (%s)", uses, err, config.HintOf(err))
	}
	return p
}

func (w *bucketWorld) served() storage.Served {
	w.t.Helper()
	s, err := tree.Open(w.t.Context(), pipeline.Site{Config: w.cfg, Area: w.area}, &w.cfg.Targets[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *bucketWorld) pointer(name string) string {
	w.t.Helper()
	id, err := w.served().Pointer(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// half tells in words what is half done in production.
func (w *bucketWorld) half(o storage.Served) string {
	w.t.Helper()
	if _, err := o.Pointer(w.t.Context(), "production"); err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(o.(storage.Parted).Apart(), "; ")
}

// objects are the digests of what is on the store below a prefix.
func (w *bucketWorld) objects(prefix string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for o, err := range w.store.List(w.t.Context(), prefix) {
		if err != nil {
			w.t.Fatal(err)
		}
		all[strings.TrimPrefix(o.Key, prefix)] = hexSum(w.read(o.Key))
	}
	return all
}

func (w *bucketWorld) read(key string) []byte {
	w.t.Helper()
	r, _, err := w.store.Open(w.t.Context(), key, storage.Range{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *bucketWorld) write(key, text string) {
	w.t.Helper()
	if _, err := w.store.Put(w.t.Context(), key, strings.NewReader(text), storage.Always); err != nil {
		w.t.Fatal(err)
	}
}

const onStore = "pub/9.7/"

// contents are the digests of the files of a tree, and of those its links lead to.
func contents(t testing.TB, at string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(at, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(at, p)
		all[filepath.ToSlash(rel)] = hexSum(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readRepoOf reads a repository on a store as a client does, and counts packages.
func readRepoOf(ctx context.Context, s storage.Store, at string) (int, error) {
	open := func(ctx context.Context, name string) (io.ReadCloser, int64, error) {
		r, o, err := s.Open(ctx, at+"/"+name, storage.Range{})
		return r, o.Size, err
	}
	r, err := repodata.Open(ctx, open)
	if err == nil {
		err = r.Verify(ctx)
	}
	if err != nil {
		return 0, err
	}
	n := 0
	err = r.Packages(ctx, func(p repodata.PackageRef) error {
		r, _, err := open(ctx, p.Href)
		if err != nil {
			return err
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err == nil && (int64(len(b)) != p.Size || hexSum(b) != p.SHA256) {
			err = fmt.Errorf("%s is not what its metadata says", p.Href)
		}
		n++
		return err
	})
	return n, err
}
