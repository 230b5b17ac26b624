package rpm

import "strings"

// primary appends the package's entry of primary.xml: what it is, where it is,
// what it needs and gives, and the files that dependencies commonly name.
// The format is createrepo_c's; clients read it with libsolv and librepo.
func (p *facts) primary(m *markup) {
	m.raw("<package type=\"rpm\">\n  <name>")
	m.text(p.name)
	m.raw("</name>\n  <arch>")
	m.text(p.arch)
	m.raw("</arch>\n")
	p.version(m)
	m.raw("  <checksum type=\"sha256\" pkgid=\"YES\">")
	m.text(p.file.SHA256)
	m.raw("</checksum>\n  <summary>")
	m.text(p.head.Str(tagSummary))
	m.raw("</summary>\n  <description>")
	m.text(p.head.Str(tagDescription))
	m.raw("</description>\n  <packager>")
	m.text(p.head.Str(tagPackager))
	m.raw("</packager>\n  <url>")
	m.text(p.head.Str(tagURL))
	m.raw("</url>\n  <time file=\"")
	m.num(p.file.ModTime.Unix())
	m.raw("\" build=\"")
	m.num(p.number(tagBuildTime))
	m.raw("\"/>\n  <size package=\"")
	m.num(p.file.Size)
	m.raw("\" installed=\"")
	m.num(p.installed())
	m.raw("\" archive=\"")
	m.num(p.archive())
	m.raw("\"/>\n  <location href=\"")
	m.attr(p.file.Path)
	m.raw("\"/>\n  <format>\n    <rpm:license>")
	m.text(p.head.Str(tagLicense))
	m.raw("</rpm:license>\n    <rpm:vendor>")
	m.text(p.head.Str(tagVendor))
	m.raw("</rpm:vendor>\n    <rpm:group>")
	m.text(p.head.Str(tagGroup))
	m.raw("</rpm:group>\n    <rpm:buildhost>")
	m.text(p.head.Str(tagBuildHost))
	m.raw("</rpm:buildhost>\n    <rpm:sourcerpm>")
	m.text(p.head.Str(tagSourceRPM))
	m.raw("</rpm:sourcerpm>\n    <rpm:header-range start=\"")
	m.num(p.head.Start)
	m.raw("\" end=\"")
	m.num(p.head.End)
	m.raw("\"/>\n")
	for i := range p.relations {
		relate(m, relationKinds[i].element, p.relations[i])
	}
	for _, f := range p.files {
		if commonPath(f.name) {
			m.raw("    ")
			f.write(m)
		}
	}
	m.raw("  </format>\n</package>\n")
}

// version appends the element that all three documents have.
func (p *facts) version(m *markup) {
	m.raw("  <version epoch=\"")
	m.num(p.number(tagEpoch))
	m.raw("\" ver=\"")
	m.attr(p.head.Str(tagVersion))
	m.raw("\" rel=\"")
	m.attr(p.head.Str(tagRelease))
	m.raw("\"/>\n")
}

// relate appends one kind of dependencies; nothing where there are none.
func relate(m *markup, element string, list []relation) {
	if len(list) == 0 {
		return
	}
	m.raw("    <")
	m.raw(element)
	empty := len(m.b)
	m.raw(">\n")
	start := len(m.b)
	for _, r := range list {
		if r.name != "" {
			r.write(m)
		}
	}
	if len(m.b) == start {
		m.b = m.b[:empty]
		m.raw("/>\n")
		return
	}
	m.raw("    </")
	m.raw(element)
	m.raw(">\n")
}

func (r relation) write(m *markup) {
	field := func(name, v string) {
		if v != "" {
			m.raw(name)
			m.attr(v)
			m.raw("\"")
		}
	}
	m.raw("      <rpm:entry name=\"")
	m.attr(r.name)
	m.raw("\"")
	if r.flags != "" {
		field(" flags=\"", r.flags)
		field(" epoch=\"", r.epoch)
		field(" ver=\"", r.version)
		field(" rel=\"", r.release)
	}
	if r.pre {
		m.raw(" pre=\"1\"")
	}
	m.raw("/>\n")
}

// commonPath tells whether primary.xml lists the file: yum and its successors
// expect there what is below /etc, what has bin/ in its path, and sendmail.
func commonPath(name string) bool {
	return strings.HasPrefix(name, "/etc/") || strings.Contains(name, "bin/") || name == "/usr/lib/sendmail"
}
