"""Prints what createrepo_c's reader finds in a repository: names, hrefs, or facts."""
import sys

import createrepo_c as cr

what, path = sys.argv[1:]
packages = {}


def newpkg(pkgid, name, arch):
    return packages.setdefault(pkgid, cr.Package())


repomd = cr.Repomd(path + "/repodata/repomd.xml")
href = {r.type: path + "/" + r.location_href for r in repomd.records}


def added(pkg):
    packages[pkg.pkgId] = pkg


cr.xml_parse_primary(href["primary"], pkgcb=added, do_files=False)
cr.xml_parse_filelists(href["filelists"], newpkgcb=newpkg)
cr.xml_parse_other(href["other"], newpkgcb=newpkg)

for p in sorted(packages.values(), key=lambda p: p.nvra()):
    if what == "names":
        print(p.nvra())
        continue
    if what == "hrefs":
        print(p.location_href)
        continue
    print(p.nvra(), p.pkgId, p.checksum_type, p.location_href, p.epoch, p.version, p.release,
          repr([p.summary, p.description, p.url, p.rpm_license, p.rpm_vendor, p.rpm_group, p.rpm_buildhost,
                p.rpm_sourcerpm, p.rpm_packager]),
          p.time_build, p.size_package, p.size_installed, p.size_archive, p.rpm_header_start, p.rpm_header_end,
          "REQ", sorted(map(repr, p.requires)), "PROV", sorted(map(repr, p.provides)),
          "CONF", sorted(map(repr, p.conflicts)), "OBS", sorted(map(repr, p.obsoletes)),
          "REC", sorted(map(repr, p.recommends)), "SUG", sorted(map(repr, p.suggests)),
          "FILES", sorted(map(repr, p.files)), "LOG", p.changelogs)
