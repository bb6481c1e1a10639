#!/bin/sh
# Brings a release to the ground that infra/main.bicep made: image, roles, migrations, apps. azd runs it after `azd provision`, with its variables; for
# a later release run it alone: azd env get-values > .env; set -a; . ./.env; set +a; sh hooks/release.sh
# It stops at the first thing that fails: the apps of the release before keep running, because migrations are made for them too.
set -eu
cd "$(dirname "$0")/.."

: "${AZURE_RESOURCE_GROUP:?azd provision sets it}" "${AETHER_REGISTRY:?azd provision sets it}" "${AETHER_ENVIRONMENT:?azd provision sets it}"
: "${AETHER_DATABASE_HOST:?azd provision sets it}" "${AETHER_BUS:?azd provision sets it}"
: "${AETHER_FILES_URL=}" "${AETHER_MAIL=}"
: "${AETHER_SIGNIN_ISSUER:?azd env set AETHER_SIGNIN_ISSUER https://login.microsoftonline.com/<tenant id>/v2.0}"
: "${AETHER_SIGNIN_CLIENTS:?azd env set AETHER_SIGNIN_CLIENTS, a JSON object: foundation, support, console}"
: "${AETHER_SIGNIN_SECRETS:?azd env set AETHER_SIGNIN_SECRETS, a JSON object: foundation, support, console}"

# Without e-mail an object that has nothing: an empty text would be none.
[ -n "$AETHER_MAIL" ] || AETHER_MAIL='{}'

tag=$(git rev-parse --short=12 HEAD)
image="$AETHER_REGISTRY.azurecr.io/aether:$tag"
echo "Image $image"
az acr build --registry "$AETHER_REGISTRY" --image "aether:$tag" --file ../../Containerfile ../.. --output none

deploy() {
  template=$1
  shift
  az deployment group create --resource-group "$AZURE_RESOURCE_GROUP" --name "$(basename "$template" .bicep)-$tag" --template-file "$template" --output none \
    --parameters environmentName="$AETHER_ENVIRONMENT" registryName="$AETHER_REGISTRY" databaseHost="$AETHER_DATABASE_HOST" image="$image" "$@"
}

# Starts a job and waits for its end. A job that fails leaves its words in the logs of the environment.
run() {
  execution=$(az containerapp job start --resource-group "$AZURE_RESOURCE_GROUP" --name "$1" --query name --output tsv)
  echo "$1: $execution"
  while :; do
    state=$(az containerapp job execution show --resource-group "$AZURE_RESOURCE_GROUP" --name "$1" --job-execution-name "$execution" --query properties.status --output tsv)
    case $state in
      Succeeded) return 0 ;;
      Failed | Degraded | Stopped) echo "$1 has failed: az containerapp job logs show --resource-group $AZURE_RESOURCE_GROUP --name $1 --execution $execution --container ${1#aether-}" >&2; return 1 ;;
    esac
    sleep 5
  done
}

deploy infra/jobs.bicep
run aether-prepare
run aether-migrate
deploy infra/apps.bicep busHost="$AETHER_BUS" signinIssuer="$AETHER_SIGNIN_ISSUER" signinClients="$AETHER_SIGNIN_CLIENTS" signinSecrets="$AETHER_SIGNIN_SECRETS" filesUrl="$AETHER_FILES_URL" mail="$AETHER_MAIL"
echo "The apps of $tag are there."
