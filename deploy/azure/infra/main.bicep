// The ground on which the apps run: network, identities, PostgreSQL, Service Bus, registry, logs, and blobs for files if they are wanted. The apps come by ../hooks/release.sh, because their
// image is pushed into a registry that has to be there first.
targetScope = 'subscription'

@minLength(1)
@maxLength(32)
@description('The name of this deployment; it is part of every name.')
param environmentName string

@description('The region.')
param location string

@description('The machine of PostgreSQL. Not a burstable one: those have no PgBouncer.')
param databaseSku string

@description('Its disk; it grows by itself.')
param databaseGigabytes int

@description('A second PostgreSQL in another zone that takes over.')
param highlyAvailable bool

@description('A storage account for the files that people send; without one they are in PostgreSQL.')
param filesInBlobs bool

var tags = { 'azd-env-name': environmentName }
var suffix = uniqueString(subscription().id, environmentName, location)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'identities.bicep' = {
  name: 'identities'
  scope: group
  params: { location: location, tags: tags }
}

module network 'network.bicep' = {
  name: 'network'
  scope: group
  params: { location: location, tags: tags }
}

module registry 'registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'aether${suffix}'
    pullers: identities.outputs.principals
  }
}

module bus 'bus.bicep' = {
  name: 'bus'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'aether-${suffix}'
    relayPrincipal: identities.outputs.workerPrincipal
  }
}

module watching 'watching.bicep' = {
  name: 'watching'
  scope: group
  params: { location: location, tags: tags }
}

module database 'database.bicep' = {
  name: 'database'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'aether-${suffix}'
    sku: databaseSku
    gigabytes: databaseGigabytes
    highlyAvailable: highlyAvailable
    subnetId: network.outputs.databaseSubnetId
    zoneId: network.outputs.databaseZoneId
    administratorName: identities.outputs.administratorName
    administratorPrincipal: identities.outputs.administratorPrincipal
  }
}

module files 'files.bicep' = if (filesInBlobs) {
  name: 'files'
  scope: group
  params: {
    location: location
    tags: tags
    name: 'aether${suffix}'
    redundancy: highlyAvailable ? 'Standard_ZRS' : 'Standard_LRS'
    networkId: network.outputs.id
    subnetId: network.outputs.endpointsSubnetId
    writers: identities.outputs.filesPrincipals
  }
}

module environment 'environment.bicep' = {
  name: 'environment'
  scope: group
  params: {
    location: location
    tags: tags
    subnetId: network.outputs.appsSubnetId
    logsName: watching.outputs.logsName
  }
}

// azd keeps these as variables; hooks/release.sh reads them.
output AZURE_RESOURCE_GROUP string = group.name
output AETHER_REGISTRY string = registry.outputs.name
output AETHER_ENVIRONMENT string = environment.outputs.name
output AETHER_DATABASE_HOST string = database.outputs.host
output AETHER_BUS string = bus.outputs.host
// Empty: files are in PostgreSQL.
output AETHER_FILES_URL string = filesInBlobs ? files!.outputs.url : ''
