#!/bin/sh
# Guess: `npm install --omit=dev --workspace server` installs nothing that is needed only through a devDependency.
# Behaviour of npm 11.19.1: where the devDependency is itself a workspace, npm installs that workspace and all that it depends on.
#   A workspace is never marked as "dev" in the lock file, because the root depends on each of its workspaces.
# Seen here: the identity provider that only the tests of signin need came into an installation of the servers, with its library.
#   So no server's room names it, not even as a devDependency: see architecture.test.ts.
#
# Layout: server → signin → (devDependency) provider → is-number 7.0.0
# Output seen: "with the devDependency: installed" and "without it: not installed".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder/tool" npm@11.19.1
npm="$folder/tool/node_modules/.bin/npm"

# Makes the workspaces, installs the server without what is for development, and says whether the library came.
install_server() {
  rm -rf "$folder/house"
  mkdir -p "$folder/house/server" "$folder/house/signin" "$folder/house/provider"
  cd "$folder/house"
  echo '{ "private": true, "workspaces": ["server", "signin", "provider"] }' > package.json
  echo '{ "name": "server", "version": "1.0.0", "dependencies": { "signin": "1.0.0" } }' > server/package.json
  echo "{ \"name\": \"signin\", \"version\": \"1.0.0\", \"devDependencies\": { $1 } }" > signin/package.json
  echo '{ "name": "provider", "version": "1.0.0", "dependencies": { "is-number": "7.0.0" } }' > provider/package.json
  "$npm" install --silent --no-audit --no-fund --omit=dev --workspace server
  if [ -d node_modules/is-number ]; then echo installed; else echo 'not installed'; fi
}

with=$(install_server '"provider": "1.0.0"')
without=$(install_server '')
echo "with the devDependency: $with"
echo "without it: $without"
[ "$with" = installed ] && [ "$without" = 'not installed' ]
