// Where logs, metrics and traces go, and the alerts about them.
param location string
param tags object

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'aether'
  location: location
  tags: tags
  properties: { sku: { name: 'PerGB2018' }, retentionInDays: 30 }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'aether'
  location: location
  tags: tags
  kind: 'web'
  properties: { Application_Type: 'web', WorkspaceResourceId: logs.id, DisableLocalAuth: false }
}

module alerts '../alerts.bicep' = {
  name: 'alerts'
  params: { applicationInsightsId: insights.id, location: location }
}

output logsName string = logs.name
