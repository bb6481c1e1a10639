import { type AzureRule, azureRules } from './rules.ts';

/** Azure's words for how urgent it is: 0 is the worst, 4 the mildest. */
const severities: Record<AzureRule['severity'], number> = { critical: 1, warning: 2 };
/** How often each query runs, and what it looks at unless it says otherwise. */
const every = 'PT5M';

/** A text of Bicep: quotes are escaped, and `${` would begin an interpolation. Pure. */
const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('${', '\\${')}'`;

/** The file alerts.bicep. Pure. */
export function describeAlerts(rules: AzureRule[] = azureRules): string {
  return `// Alert rules of Azure Monitor: the same conditions as ../prometheus/alerts.yml, asked of Application Insights.
// Made by \`npm run azure\` from rules.ts: change that file.
//
//   az deployment group create --resource-group … --template-file alerts.bicep \\
//     --parameters applicationInsightsId=… actionGroupIds='["…"]'

@description('The id of the Application Insights component to whose connection string the processes send.')
param applicationInsightsId string

@description('The ids of the action groups that are told. With none, alerts are in the portal only.')
param actionGroupIds array = []

param location string = resourceGroup().location

var rules = [
${rules.map(describeRule).join('\n')}
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: rule.name
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: rule.name
    description: '\${rule.summary} \${rule.runbook}'
    severity: rule.severity
    enabled: true
    scopes: [
      applicationInsightsId
    ]
    evaluationFrequency: '${every}'
    windowSize: '${every}'
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
`;
}

function describeRule({ name, severity, summary, runbook, by = [], range, query }: AzureRule): string {
  return `  {
    name: ${quote(name)}
    severity: ${severities[severity]}
    summary: ${quote(summary)}
    runbook: ${quote(runbook)}
    range: ${range ? quote(range) : 'null'}
    by: [${by.length > 0 ? `\n${by.map((column) => `      ${quote(column)}`).join('\n')}\n    ` : ''}]
    query: '''
${query.join('\n')}
'''
  }`;
}
