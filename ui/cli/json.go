package cli

import (
	"encoding/json"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
	"gantry/storage"
)

// What --json prints. The tag "is" documents each field, and the help topic is
// made from it. Times are RFC 3339 in UTC; sizes are bytes; digests are SHA-256
// in lower-case hex; what is unknown or does not apply is left out or empty.

type failureJSON struct {
	Error  string     `json:"error" is:"what went wrong"`
	Hint   string     `json:"hint,omitempty" is:"what can be done about it"`
	Code   int        `json:"code" is:"the exit code"`
	Phrase string     `json:"phrase,omitempty" is:"what --confirm wants, where a confirmation is missing"`
	Plan   *planJSON  `json:"plan,omitempty" is:"the plan that it would confirm"`
	Plans  []planJSON `json:"plans,omitempty" is:"the plans, where several go together"`
	Runs   []runJSON  `json:"runs,omitempty" is:"runs that were made until then"`
}

type doneJSON struct {
	Verb    string `json:"verb" is:"what was done"`
	Release string `json:"release,omitempty" is:"release it was done for"`
	Item    string `json:"item,omitempty" is:"item it was done to"`
	Target  string `json:"target,omitempty" is:"target it was done to"`
	Path    string `json:"path,omitempty" is:"file that was written"`
}

type statusJSON struct {
	Product string       `json:"product" is:"name of the product"`
	Release *releaseJSON `json:"release,omitempty" is:"the release that is worked on"`
	Open    []string     `json:"open" is:"ids of all open releases"`
	Hold    *holdJSON    `json:"hold,omitempty" is:"who stopped the line"`
	Partial *groupJSON   `json:"partial,omitempty" is:"targets that were to move together, where only some did"`
	Items   []itemJSON   `json:"items" is:"items of the release, in order"`
	Targets []targetJSON `json:"targets" is:"what is served"`
	Runs    []runJSON    `json:"runs" is:"runs that are live or unknown"`
	Trouble []string     `json:"trouble" is:"what is wrong with the journal or the stores"`
	Head    uint64       `json:"head" is:"sequence of the last event"`
}

type groupJSON struct {
	ID      string    `json:"id" is:"what rollback --group takes"`
	Verb    string    `json:"verb" is:"what was done"`
	Targets []string  `json:"targets" is:"to which targets, in order"`
	Moved   []string  `json:"moved" is:"of them, those that moved"`
	Actor   string    `json:"actor" is:"who did it"`
	Started time.Time `json:"started" is:"when"`
	Error   string    `json:"error,omitempty" is:"why it is not whole"`
}

type releaseJSON struct {
	ID       string    `json:"id" is:"what --release takes"`
	Kind     string    `json:"kind" is:"kind it was opened as"`
	Version  string    `json:"version" is:"its version"`
	Title    string    `json:"title" is:"title of its checklist"`
	Due      time.Time `json:"due,omitzero" is:"when it is due"`
	OpenedBy string    `json:"opened_by" is:"who opened it"`
	OpenedAt time.Time `json:"opened_at" is:"when"`
	ClosedAt time.Time `json:"closed_at,omitzero" is:"when it was closed"`
	Done     int       `json:"done" is:"items done or waived"`
	Total    int       `json:"total" is:"items"`
}

type holdJSON struct {
	Actor  string    `json:"actor" is:"who set it"`
	Time   time.Time `json:"time" is:"when"`
	Reason string    `json:"reason" is:"why"`
	Phrase string    `json:"phrase" is:"what hold --lift --confirm wants"`
}

type itemJSON struct {
	ID      string    `json:"id" is:"what run, plan, tick and skip take"`
	Section string    `json:"section" is:"title of its section"`
	Title   string    `json:"title" is:"what must be true"`
	Kind    string    `json:"kind" is:"manual, check or step"`
	Risk    string    `json:"risk" is:"safe, staging or production"`
	Target  string    `json:"target,omitempty" is:"target it is about"`
	Status  string    `json:"status" is:"blocked, waiting, ready, running, unknown, failed, cancelled, done, waived or stale"`
	Because string    `json:"because,omitempty" is:"why it is not ready or done"`
	Who     string    `json:"who,omitempty" is:"who ticked, waived or ran it last"`
	When    time.Time `json:"when,omitzero" is:"when that was"`
	Note    string    `json:"note,omitempty" is:"what they saw, or why they waived it"`
	Run     string    `json:"run,omitempty" is:"its last run"`
	Killer  bool      `json:"killer,omitempty" is:"may not be waived"`
	Opens   time.Time `json:"opens,omitzero" is:"when its window opens"`
	Closes  time.Time `json:"closes,omitzero" is:"when it becomes late"`
	Late    bool      `json:"late,omitempty" is:"it is late"`
}

type targetsJSON struct {
	Targets []targetJSON `json:"targets" is:"targets in the order of release.yaml"`
}

type targetJSON struct {
	Name       string `json:"name" is:"what the verbs take"`
	Format     string `json:"format" is:"rpm"`
	URL        string `json:"url" is:"where clients reach it"`
	Staging    string `json:"staging" is:"snapshot that testers see"`
	Production string `json:"production" is:"snapshot that clients see"`
	Revision   int64  `json:"revision" is:"highest revision that production ever served"`

	StagingLabel    string `json:"staging_label,omitempty" is:"what operators call it, such as 9.7-RC2, of a tree"`
	ProductionLabel string `json:"production_label,omitempty" is:"the same of production"`

	Unseen    string   `json:"unseen,omitempty" is:"why it cannot be told what is served"`
	Drift     string   `json:"drift,omitempty" is:"what is served against what the journal says"`
	Warnings  []string `json:"warnings,omitempty" is:"what is the matter with what production serves"`
	Busy      string   `json:"busy,omitempty" is:"run that is at it"`
	Snapshots int      `json:"snapshots" is:"number of snapshots"`
}

type snapshotsJSON struct {
	Target    string         `json:"target" is:"the target"`
	Snapshots []snapshotJSON `json:"snapshots" is:"newest first"`
}

type snapshotJSON struct {
	ID         string    `json:"id" is:"its UTC time"`
	Label      string    `json:"label,omitempty" is:"what operators call it: the directory of a sync"`
	Created    time.Time `json:"created" is:"when it was built"`
	TwinOf     string    `json:"twin_of,omitempty" is:"snapshot whose packages it publishes anew"`
	Published  time.Time `json:"published,omitzero" is:"when production last began to serve it"`
	Staging    bool      `json:"staging" is:"staging names it"`
	Production bool      `json:"production" is:"production names it"`
}

type runsJSON struct {
	Runs []runJSON `json:"runs" is:"newest first; of run, promote and the like: those it made, in order"`
}

type runJSON struct {
	Run      string            `json:"run" is:"what cancel and resolve take"`
	Release  string            `json:"release,omitempty" is:"release it was for"`
	Item     string            `json:"item,omitempty" is:"item it was of"`
	Verb     string            `json:"verb" is:"what it does"`
	Title    string            `json:"title" is:"the same in a sentence"`
	Target   string            `json:"target,omitempty" is:"target it is about"`
	Risk     string            `json:"risk" is:"safe, staging or production"`
	State    string            `json:"state" is:"running, unknown, done, failed or cancelled"`
	Actor    string            `json:"actor" is:"who began it"`
	Host     string            `json:"host" is:"on which machine"`
	Started  time.Time         `json:"started" is:"when it began"`
	Ended    time.Time         `json:"ended,omitzero" is:"when it was over"`
	Error    string            `json:"error,omitempty" is:"why it failed"`
	Hint     string            `json:"hint,omitempty" is:"what can be done about it"`
	Evidence map[string]string `json:"evidence,omitempty" is:"what it observed, by name"`
	Move     *checklist.Move   `json:"move,omitempty" is:"the pointer it moved"`
	Looked   bool              `json:"looked,omitempty" is:"its end was found out by looking"`
	Progress *pipeline.Status  `json:"progress,omitempty" is:"how far it is, while it runs"`
	Log      string            `json:"log,omitempty" is:"path of its log"`
}

type planJSON struct {
	Digest   string            `json:"digest" is:"of the plan"`
	Phrase   string            `json:"phrase" is:"what confirms it, where it changes production"`
	Release  string            `json:"release,omitempty" is:"release it is for"`
	Item     string            `json:"item,omitempty" is:"item it is of"`
	Verb     string            `json:"verb" is:"what would be done"`
	Title    string            `json:"title" is:"the same in a sentence"`
	Target   string            `json:"target,omitempty" is:"to which target"`
	Risk     string            `json:"risk" is:"safe, staging or production"`
	Move     *checklist.Move   `json:"move,omitempty" is:"the pointer that would move"`
	Added    []pipeline.Change `json:"added" is:"what would be added, by name"`
	Changed  []pipeline.Change `json:"changed" is:"what would get another version"`
	Removed  []pipeline.Change `json:"removed" is:"what would go"`
	Bytes    int64             `json:"bytes" is:"size of what is added or changed"`
	Warnings []string          `json:"warnings" is:"what to think about first"`
	Facts    map[string]string `json:"facts,omitempty" is:"what else the plan is bound to"`
	Undo     bool              `json:"undo,omitempty" is:"it takes back what the item did"`
	Counts   pipeline.Counts   `json:"counts" is:"how many are added, changed and removed; the lists may be what is notable of them"`
	Parts    []pipeline.Part   `json:"parts" is:"the same by part, such as repository and architecture"`
	Alarms   []pipeline.Alarm  `json:"alarms" is:"warnings that the phrase names, each by its word"`
}

type artifactsJSON struct {
	Artifacts []artifactJSON `json:"artifacts" is:"staged files"`
}

type artifactJSON struct {
	Target   string    `json:"target" is:"target it is staged for"`
	File     string    `json:"file" is:"its name"`
	Path     string    `json:"path" is:"its place below the staging area"`
	Size     int64     `json:"size" is:"bytes"`
	Modified time.Time `json:"modified,omitzero" is:"when it was last changed"`
	SHA256   string    `json:"sha256,omitempty" is:"what its sidecar says"`
	Verdict  string    `json:"verdict" is:"unverified, verified, mismatch, missing-sidecar, orphan-sidecar, malformed-sidecar, bad-name or symlink"`
	Detail   string    `json:"detail,omitempty" is:"the verdict in words"`
	Findings []string  `json:"findings,omitempty" is:"what looks wrong about it, in words"`
}

type historyJSON struct {
	Events []eventJSON `json:"events" is:"the journal, oldest first"`
}

type eventJSON struct {
	Seq     uint64          `json:"seq" is:"its place"`
	Time    time.Time       `json:"time" is:"of the writer's clock"`
	Actor   string          `json:"actor" is:"who"`
	Host    string          `json:"host" is:"on which machine"`
	Release string          `json:"release,omitempty" is:"release it is about"`
	Type    string          `json:"type" is:"what happened"`
	Data    json.RawMessage `json:"data,omitempty" is:"the rest, by type"`
}

type verifiedJSON struct {
	Entries uint64       `json:"entries" is:"events in the journal"`
	Head    string       `json:"head" is:"digest of the last one"`
	Damage  []damageJSON `json:"damage" is:"what is wrong with it; empty is good"`
}

type damageJSON struct {
	Seq    uint64 `json:"seq" is:"place of the entry, 0 where it is not one"`
	Key    string `json:"key" is:"its file below the state"`
	Reason string `json:"reason" is:"what is wrong with it"`
	Torn   bool   `json:"torn,omitempty" is:"it was cut off while it was written: history --mend moves it aside"`
}

type clientsJSON struct {
	Target string       `json:"target" is:"the target"`
	Files  []clientJSON `json:"files" is:"files for clients, the best first"`
}

type clientJSON struct { // the fields of pipeline.ClientFile
	Name string `json:"name" is:"as it is usually called"`
	Text string `json:"text" is:"its content"`
	Note string `json:"note" is:"where to put it"`
}

type lintJSON struct {
	File     string        `json:"file" is:"what was read"`
	Product  string        `json:"product" is:"its product"`
	Targets  []string      `json:"targets" is:"its targets"`
	Kinds    []string      `json:"kinds" is:"kinds of releases that can be opened"`
	Findings []findingJSON `json:"findings" is:"what it names that is not there as it must be; empty is good"`
	Advice   []findingJSON `json:"advice" is:"what would make it better though nothing is wrong with it"`
}

type findingJSON struct { // the fields of config.Finding
	Where string `json:"where" is:"part of the configuration"`
	What  string `json:"what" is:"what is wrong there"`
	Hint  string `json:"hint,omitempty" is:"what can be done about it"`
}

type reportJSON struct {
	Release  string `json:"release" is:"the release it is about"`
	Markdown string `json:"markdown" is:"the report"`
}

type versionJSON struct {
	Version  string `json:"version" is:"of gantry"`
	Revision string `json:"revision,omitempty" is:"commit it was built from"`
	Go       string `json:"go" is:"version of Go that built it"`
	Platform string `json:"platform" is:"operating system and architecture"`
}

func newPlanJSON(p pipeline.Plan) *planJSON {
	return &planJSON{
		Digest: p.Digest(), Phrase: p.Phrase(), Release: p.Release, Item: p.Item.ID, Verb: p.Verb,
		Title: p.Title, Target: p.Target, Risk: string(p.Risk), Move: p.Move,
		Added: list(p.Added), Changed: list(p.Changed), Removed: list(p.Removed),
		Bytes: p.Bytes, Warnings: list(p.Warnings), Facts: p.Facts,
		Undo: p.Undo, Counts: p.Count(), Parts: list(p.Parts), Alarms: list(p.Alarms),
	}
}

// list is the slice, or an empty one: programs want [] where there is nothing.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func newRunJSON(r pipeline.RunView, log string) runJSON {
	j := runJSON{
		Run: r.Intent.Run, Release: r.Release, Item: r.Item, Verb: r.Verb, Title: r.Title, Target: r.Target,
		Risk: string(r.Risk), State: r.State(), Actor: r.Actor, Host: r.Host,
		Started: r.Started.UTC(), Ended: r.EndedAt, Log: log,
	}
	if r.Run.Ended != nil {
		j.Error, j.Hint, j.Evidence = r.Run.Ended.Error, r.Run.Ended.Hint, r.Run.Ended.Evidence
		j.Move, j.Looked = r.Run.Ended.Move, r.Run.Ended.Looked
	}
	if r.Live {
		j.Progress = &r.Status
	}
	return j
}

func newArtifactJSON(target string, a storage.Artifact) artifactJSON {
	return artifactJSON{
		Target: target, File: a.File, Path: a.Place.Prefix() + a.File, Size: a.Size, Modified: a.Modified,
		SHA256: a.Digest, Verdict: string(a.Verdict), Detail: a.Detail,
	}
}
