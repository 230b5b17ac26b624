package rpm

// Tags of main headers, as rpm's include/rpm/rpmtag.h numbers them.
const (
	tagImage     = 61 // region of an old main header
	tagImmutable = 63 // region of a main header

	tagName             = 1000
	tagVersion          = 1001
	tagRelease          = 1002
	tagEpoch            = 1003
	tagSummary          = 1004
	tagDescription      = 1005
	tagBuildTime        = 1006
	tagBuildHost        = 1007
	tagSize             = 1009
	tagVendor           = 1011
	tagLicense          = 1014
	tagPackager         = 1015
	tagGroup            = 1016
	tagURL              = 1020
	tagArch             = 1022
	tagFileModes        = 1030
	tagFileFlags        = 1037
	tagSourceRPM        = 1044
	tagChangelogTime    = 1080
	tagChangelogName    = 1081
	tagChangelogText    = 1082
	tagSourcePackage    = 1106
	tagDirIndexes       = 1116
	tagBaseNames        = 1117
	tagDirNames         = 1118
	tagLongSize         = 5009
	tagPayloadDigest    = 5092 // of the compressed payload, hex
	tagPayloadAlgorithm = 5093 // of both payload digests, by OpenPGP's numbers
	tagPayloadDigestAlt = 5097 // of the uncompressed payload, hex
)

// Tags of signature headers, as rpm's include/rpm/rpmtag.h and lib/signature.h
// number them.
const (
	tagSignatures = 62 // region of a signature header

	sigDSA             = 267 // OpenPGP over the header, by DSA or EdDSA
	sigRSA             = 268 // OpenPGP over the header, by RSA
	sigSHA1            = 269 // of the header, hex
	sigLongSize        = 270 // of header and payload, 64 bits
	sigLongArchive     = 271 // of the uncompressed payload, 64 bits
	sigSHA256          = 273 // of the header, hex
	sigFileSignatures  = 274 // IMA signatures, one for each file
	sigFileLength      = 275
	sigVerity          = 276 // fs-verity signatures, one for each file
	sigVerityAlgorithm = 277
	sigOpenPGP         = 278 // base64, rpm 6
	sigSHA3            = 279 // of the header, hex, rpm 6
	sigSpace           = 999 // zeros to grow into, rpm 6
	sigSize            = 1000
	sigPGP             = 1002 // OpenPGP over header and payload, by RSA
	sigMD5             = 1004 // of header and payload
	sigGPG             = 1005 // OpenPGP over header and payload, by DSA or EdDSA
	sigPGP5            = 1006
	sigArchive         = 1007 // size of the uncompressed payload
	sigSpaceOld        = 1008 // zeros to grow into
)
