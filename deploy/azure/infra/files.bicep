// Files that people send, as blobs: reached from the network of the apps alone, by their identities alone. Nobody has a key.
param location string
param tags object
param name string
param redundancy string
param networkId string
param subnetId string
@description('Of the identities that write, read and remove files.')
param writers array

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Disabled'
    networkAcls: { bypass: 'None', defaultAction: 'Deny' }
  }
}

// A removed blob can be brought back for as long as PostgreSQL has a backup that names it (database.bicep), and is gone the day after: an erased person
// is in neither any longer. No versions: a removed blob would stay as an old version, without an end.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 35, allowPermanentDelete: false }
    containerDeleteRetentionPolicy: { enabled: true, days: 35 }
    isVersioningEnabled: false
    changeFeed: { enabled: false }
  }
}

// One for both apps, because an export reads the files of both from one.
resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'aether-files'
  properties: { publicAccess: 'None' }
}

// The least of Azure's own roles that writes, reads and removes; on the container and not on the account.
var contributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource roles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for writer in writers: {
  name: guid(container.id, writer, contributor)
  scope: container
  properties: {
    principalId: writer
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributor)
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: 'aether-files'
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: 'files', properties: { privateLinkServiceId: account.id, groupIds: ['blob'] } }
    ]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: 'privatelink.blob.${environment().suffixes.storage}'
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: zone
  name: 'aether'
  location: 'global'
  properties: {
    registrationEnabled: false
    // Accounts of others that have a private endpoint somewhere are asked of public DNS: they are not in our zone.
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: { id: networkId }
  }
}

resource address 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [{ name: 'blob', properties: { privateDnsZoneId: zone.id } }]
  }
}

output url string = account.properties.primaryEndpoints.blob
