package forge_test

import (
	"fmt"
	"net/http"
	"testing"

	"gantry/pipeline/forge"
	"gantry/pipeline/forge/forgetest"
)

// TestPagesShift lists runs while another one comes: the last of a page is the
// first of the next one as well, and is one run all the same.
func TestPagesShift(t *testing.T) {
	s := forgetest.New(t, "github")
	s.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		const run = `{"id":%d,"event":"workflow_dispatch","path":".github/workflows/x.yml","html_url":"https://x/%d"}`
		switch r.URL.Query().Get("page") {
		case "1":
			fmt.Fprintf(w, `{"total_count":4,"workflow_runs":[`+run+","+run+`]}`, 3, 3, 2, 2)
		case "2":
			fmt.Fprintf(w, `{"total_count":4,"workflow_runs":[`+run+","+run+`]}`, 2, 2, 1, 1)
		default:
			fmt.Fprint(w, `{"total_count":4,"workflow_runs":[]}`)
		}
		return true
	}
	runs, err := open(t, s).Dispatched(t.Context(), "x.yml", func(forge.Run) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	if fmt.Sprint(ids) != "[3 2 1]" {
		t.Errorf("%v", ids)
	}
}
