// Alert rules of Azure Monitor: the same conditions as ../prometheus/alerts.yml, asked of Application Insights.
// Made by `npm run azure` from rules.ts: change that file.
//
//   az deployment group create --resource-group … --template-file alerts.bicep \
//     --parameters applicationInsightsId=… actionGroupIds='["…"]'

@description('The id of the Application Insights component to whose connection string the processes send.')
param applicationInsightsId string

@description('The ids of the action groups that are told. With none, alerts are in the portal only.')
param actionGroupIds array = []

param location string = resourceGroup().location

var rules = [
  {
    name: 'AetherProcessDown'
    severity: 1
    summary: 'An app or a worker that has reported today sends nothing more.'
    runbook: 'docs/runbooks/process.md'
    range: 'P1D'
    by: [
      'cloud_RoleName'
    ]
    query: '''
customMetrics | where timestamp > ago(1d) and name == 'process.memory.usage'
| summarize last = max(timestamp) by cloud_RoleName
| where last < ago(5m)
'''
  }
  {
    name: 'AetherNobodyNumbers'
    severity: 1
    summary: 'No worker numbers events.'
    runbook: 'docs/runbooks/sequencer.md'
    range: null
    by: []
    query: '''
customMetrics | where timestamp > ago(5m) and name == 'aether.sequencer.leads'
| summarize leads = max(value)
| where isnull(leads) or leads == 0
'''
  }
  {
    name: 'AetherChecksNotMade'
    severity: 1
    summary: 'Nobody makes the checks.'
    runbook: 'docs/runbooks/monitor.md'
    range: null
    by: []
    query: '''
customMetrics | where timestamp > ago(5m) and name == 'aether.checks.age'
| summarize age = min(value)
| where isnull(age) or age > 60
'''
  }
  {
    name: 'AetherCheckNotWell'
    severity: 2
    summary: 'A check is not well: its name and its status are the dimensions.'
    runbook: 'docs/health.md'
    range: null
    by: [
      'check'
      'status'
    ]
    query: '''
customMetrics | where timestamp > ago(5m) and name == 'aether.check.state' and value > 0
| extend check = tostring(customDimensions['aether.check.slug']), status = tostring(customDimensions['aether.check.status'])
| where status !in ('ok', 'paused', 'catching-up', 'warning')
| summarize seen = dcount(bin(timestamp, 1m)) by check, status
| where seen >= 2
'''
  }
  {
    name: 'AetherAnswersFail'
    severity: 2
    summary: 'An app fails more than one in twenty requests.'
    runbook: 'docs/runbooks/process.md'
    range: 'PT10M'
    by: [
      'app'
    ]
    query: '''
customMetrics | where timestamp > ago(10m) and name == 'http.server.request.duration'
| extend app = tostring(customDimensions['aether.app']), status = toint(tostring(customDimensions['http.response.status_code']))
| summarize failed = sumif(valueCount, status >= 500), asked = sum(valueCount) by app
| where asked > 0 and 1.0 * failed / asked > 0.05
'''
  }
  {
    name: 'AetherPoolExhausted'
    severity: 2
    summary: 'Calls have waited for a connection for five minutes.'
    runbook: 'docs/runbooks/pool.md'
    range: null
    by: [
      'pool'
    ]
    query: '''
customMetrics | where timestamp > ago(5m) and name == 'db.client.connection.pending_requests'
| extend pool = tostring(customDimensions['db.client.connection.pool.name'])
| summarize waiting = min(value), reports = count() by pool
| where waiting > 0 and reports >= 4
'''
  }
  {
    name: 'AetherSubscriptionLate'
    severity: 2
    summary: 'A subscription is more than five minutes behind.'
    runbook: 'docs/runbooks/subscription.md'
    range: null
    by: [
      'subscription'
    ]
    query: '''
customMetrics | where timestamp > ago(5m) and name == 'aether.subscription.delay'
| extend subscription = tostring(customDimensions['aether.subscription'])
| summarize delay = min(value) by subscription
| where delay > 300
'''
  }
  {
    name: 'AetherEventsDead'
    severity: 2
    summary: 'Events of a subscription wait for a person.'
    runbook: 'docs/runbooks/subscription.md'
    range: 'PT10M'
    by: [
      'subscription'
    ]
    query: '''
customMetrics | where timestamp > ago(10m) and name == 'aether.events.dead'
| extend subscription = tostring(customDimensions['aether.subscription'])
| summarize dead = sum(valueSum) by subscription
| where dead > 0
'''
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: rule.name
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: rule.name
    description: '${rule.summary} ${rule.runbook}'
    severity: rule.severity
    enabled: true
    scopes: [
      applicationInsightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    overrideQueryTimeRange: rule.range
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: map(rule.by, column => {
            name: column
            operator: 'Include'
            values: [
              '*'
            ]
          })
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: actionGroupIds
    }
  }
}]
