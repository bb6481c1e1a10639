// The registry of the image. Who runs it may pull it.
param location string
param tags object
param name string
param pullers array

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: { adminUserEnabled: false }
}

var pull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for puller in pullers: {
  name: guid(registry.id, puller, pull)
  scope: registry
  properties: {
    principalId: puller
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', pull)
  }
}]

output name string = registry.name
