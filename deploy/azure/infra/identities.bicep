// One identity for each login of the database, because row level security reads the login: an app that had another's identity would be that app.
param location string
param tags object

var logins = ['admin', 'migrator', 'foundation', 'support', 'console', 'worker']

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = [for login in logins: {
  name: 'aether-${login}'
  location: location
  tags: tags
}]

output principals array = [for (login, index) in logins: identities[index].properties.principalId]
output administratorName string = identities[0].name
output administratorPrincipal string = identities[0].properties.principalId
output filesPrincipals array = [identities[2].properties.principalId, identities[3].properties.principalId]
output workerPrincipal string = identities[5].properties.principalId
