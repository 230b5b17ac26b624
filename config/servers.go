package config

// CosignKey is a key pair that signs images: the private half by reference, in
// a PEM file as cosign writes it (encrypted) or as PKCS #8 or SEC 1; the public
// half as the PEM file that clients are given.
type CosignKey struct {
	Name     Name   `yaml:"name" jsonschema:"required"`
	Private  Secret `yaml:"private" jsonschema:"required" jsonschema_description:"PEM private key, as env:NAME or file:PATH"`
	Password Secret `yaml:"password" jsonschema_description:"password of the private key, as env:NAME or file:PATH"`
	Public   string `yaml:"public" jsonschema:"required" jsonschema_description:"path of cosign.pub as clients are given it"`
}

// Store is a bucket of an S3-compatible server.
type Store struct {
	Name         Name      `yaml:"name" jsonschema:"required"`
	Endpoint     string    `yaml:"endpoint" jsonschema_description:"URL of the server, such as http://localhost:9000 (default AWS)"`
	Region       string    `yaml:"region" jsonschema_description:"default us-east-1"`
	Bucket       string    `yaml:"bucket" jsonschema:"required"`
	PathStyle    bool      `yaml:"path_style" jsonschema_description:"bucket in the path, not in the host name (default true where an endpoint is given)"`
	AccessKey    Secret    `yaml:"access_key" jsonschema_description:"by reference; without it the SDK's own chain is asked: environment, profile, instance"`
	SecretKey    Secret    `yaml:"secret_key" jsonschema_description:"by reference"`
	SessionToken Secret    `yaml:"session_token" jsonschema_description:"by reference, of temporary credentials"`
	Checksums    Checksums `yaml:"checksums" jsonschema_description:"always: SHA-256 with every upload (default); required: for servers that refuse those headers"`
	Tunnel       Name      `yaml:"tunnel" jsonschema_description:"name of the tunnel that the endpoint is reached through, as seen from its far end"`
}

// Registry is a registry of OCI images.
type Registry struct {
	Name     Name   `yaml:"name" jsonschema:"required"`
	Host     string `yaml:"host" jsonschema:"required" jsonschema_description:"host and port, such as registry.example.org or localhost:5000"`
	Insecure bool   `yaml:"insecure" jsonschema_description:"speak plain http; loopback is always allowed to"`
	Username string `yaml:"username" jsonschema_description:"without it, docker's configuration and credential helpers are asked"`
	Password Secret `yaml:"password"`
	Tunnel   Name   `yaml:"tunnel" jsonschema_description:"name of the tunnel that the host is reached through, as seen from its far end"`
}

// Tunnel is an SSH connection whose far end opens connections for gantry. No
// shell is started there.
type Tunnel struct {
	Name       Name   `yaml:"name" jsonschema:"required"`
	Host       string `yaml:"host" jsonschema:"required" jsonschema_description:"host or host:port (default port 22)"`
	User       string `yaml:"user" jsonschema:"required"`
	Key        Secret `yaml:"key" jsonschema_description:"private key; without it the agent of SSH_AUTH_SOCK is asked"`
	Passphrase Secret `yaml:"passphrase" jsonschema_description:"of the key"`
	KnownHosts string `yaml:"known_hosts" jsonschema_description:"path of the file of known hosts (default ~/.ssh/known_hosts)"`
	Via        Name   `yaml:"via" jsonschema_description:"name of the tunnel to a jump host"`
}

// Forge is a repository of GitHub, GitHub Enterprise, Gitea or Forgejo.
type Forge struct {
	Name       Name      `yaml:"name" jsonschema:"required"`
	Kind       ForgeKind `yaml:"kind" jsonschema_description:"github (default) or forgejo"`
	API        string    `yaml:"api" jsonschema_description:"base URL of the API (default https://api.github.com)"`
	Repository string    `yaml:"repository" jsonschema:"required" jsonschema_description:"owner/name"`
	Token      Secret    `yaml:"token" jsonschema:"required"`
	Secrets    []string  `yaml:"secrets" jsonschema_description:"names of Actions secrets that must be set there"`
}

// Workflow is a workflow that an item may dispatch. Its values may hold
// {target}, {component}, {series}, {os}, {suite} and {version}.
type Workflow struct {
	Name    Name              `yaml:"name" jsonschema:"required"`
	Forge   Name              `yaml:"forge" jsonschema:"required"`
	File    string            `yaml:"file" jsonschema:"required" jsonschema_description:"file name in .github/workflows, such as promote-rpm.yml"`
	Ref     string            `yaml:"ref" jsonschema_description:"branch or tag (default main)"`
	Inputs  map[string]string `yaml:"inputs" jsonschema_description:"values of the workflow's inputs"`
	Timeout Duration          `yaml:"timeout" jsonschema_description:"after which gantry stops waiting and cancels (default 2h)"`
}
