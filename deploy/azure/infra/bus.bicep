// Service Bus without keys. The relay is an owner of the data, because it makes the topic and reads the rules of subscriptions.
param location string
param tags object
param name string
param relayPrincipal string

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Standard' }
  properties: { disableLocalAuth: true, minimumTlsVersion: '1.2' }
}

var dataOwner = '090c5cfd-751d-490a-894a-3ce6f1109419'

resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(namespace.id, relayPrincipal, dataOwner)
  scope: namespace
  properties: {
    principalId: relayPrincipal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataOwner)
  }
}

output host string = '${namespace.name}.servicebus.windows.net'
