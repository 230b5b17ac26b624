package config

// Images is the matrix of images that a release has: every name with every
// architecture, in directories with a CHECKSUM file. Paths and names may hold the
// placeholders of an edition, and {arch} and {variant}.
type Images struct {
	Name     Name     `yaml:"name" jsonschema:"required"`
	Target   Name     `yaml:"target" jsonschema:"required" jsonschema_description:"name of a tree; more than one may have a matrix of this name, one for each"`
	In       string   `yaml:"in" jsonschema_description:"compose (default), staging or production of the tree"`
	Dir      string   `yaml:"dir" jsonschema:"required" jsonschema_description:"below the edition's directory, such as isos/{arch}"`
	File     string   `yaml:"file" jsonschema:"required" jsonschema_description:"such as Rocky-{revision}-{arch}-{variant}.iso; * stands for a date or number"`
	Variants []string `yaml:"variants"`
	Arch     []Arch   `yaml:"architectures" jsonschema:"required"`
	Checksum string   `yaml:"checksum" jsonschema_description:"default CHECKSUM"`
	Except   []string `yaml:"except" jsonschema_description:"arch/variant that there is none of"`
}

// Torrents are made of images, one per image with its checksums, as a directory.
type Torrents struct {
	Name     Name     `yaml:"name" jsonschema:"required"`
	Images   Name     `yaml:"images" jsonschema:"required" jsonschema_description:"name of the matrix of images"`
	Held     string   `yaml:"held" jsonschema:"required" jsonschema_description:"directory where torrents wait until they are published"`
	Data     string   `yaml:"data" jsonschema:"required" jsonschema_description:"directory that the seed box downloads to: one directory per torrent, of symbolic links"`
	Publish  string   `yaml:"publish" jsonschema:"required" jsonschema_description:"directory that the seed box watches: what appears there is seeded at once"`
	Trackers []string `yaml:"trackers" jsonschema:"required"`
	Comment  string   `yaml:"comment" jsonschema_description:"may hold placeholders, and {revision_} which is the revision with _ for the dot"`
	Piece    string   `yaml:"piece" jsonschema_description:"size of a piece, such as 1MiB (default: by the size of the image)"`
}

// FileLists are the lists that mirrors compare to learn what changed: all are
// made of one walk over the root.
type FileLists struct {
	Name   Name    `yaml:"name" jsonschema:"required"`
	Root   string  `yaml:"root" jsonschema:"required" jsonschema_description:"directory that everything below is walked of"`
	Mount  bool    `yaml:"mount" jsonschema_description:"the root must be a mount point"`
	Scopes []Scope `yaml:"scopes" jsonschema:"required"`
	Shrink int     `yaml:"shrink" jsonschema_description:"percent: a list that loses more entries is not written (default 10)"`
	After  []Name  `yaml:"after" jsonschema_description:"trees that must not be in the middle of a sync (default all)"`
}

// Scope is a directory with its own lists.
type Scope struct {
	Dir   string   `yaml:"dir" jsonschema:"required" jsonschema_description:"below root; . for the root itself"`
	Full  string   `yaml:"full" jsonschema_description:"name of the plain list, such as fullfilelist"`
	Times []string `yaml:"times" jsonschema_description:"names of the list with times: the first keeps its predecessor under NAME-old"`
	Owner Owner    `yaml:"owner"`
}

// Mirrors is a list of mirrors and what must be found on each.
type Mirrors struct {
	Name     Name     `yaml:"name" jsonschema:"required"`
	List     string   `yaml:"list" jsonschema:"required" jsonschema_description:"URL of a mirror list, one URL a line; may hold placeholders and, of repository BaseOS/x86_64/debug/tree, {repo} (BaseOS), {arch} (x86_64) and {part} (-debug; -source, or nothing)"`
	Target   Name     `yaml:"target" jsonschema:"required" jsonschema_description:"name of the tree that they mirror"`
	Repos    []string `yaml:"repos" jsonschema:"required" jsonschema_description:"directories of repositories below the edition, such as BaseOS/x86_64/os; mirrors answer for each"`
	Percent  int      `yaml:"percent" jsonschema_description:"of the mirrors that must be in sync (default 80)"`
	Timeout  Duration `yaml:"timeout" jsonschema_description:"of one mirror (default 10s)"`
	Networks []string `yaml:"networks" jsonschema_description:"private networks that mirrors may be in, such as 10.0.0.0/8"`
}
