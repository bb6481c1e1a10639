// What runs before the apps of a release: roles and logins, then migrations. hooks/release.sh starts both and waits for them.
param location string = resourceGroup().location
param environmentName string
param registryName string
param databaseHost string
@description('The image with its tag.')
param image string

var module_ = '/app/deploy/azure/databasetoken.mjs'
var direct = '${databaseHost}:5432'
// The identities that sign in as a login; aether-migrator is that of the second job.
var names = ['migrator', 'foundation', 'support', 'console', 'worker']

resource environment 'Microsoft.App/managedEnvironments@2025-07-01' existing = {
  name: environmentName
}

resource admin 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'aether-admin'
}

resource migrator 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'aether-migrator'
}

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [for name in names: {
  name: 'aether-${name}'
}]

// One by one: Bicep takes no element of a list of resources within a function such as map (BCP247).
var principals = [
  'platform_migrator=${identities[0].properties.principalId}'
  'foundation_app=${identities[1].properties.principalId}'
  'support_app=${identities[2].properties.principalId}'
  'console_app=${identities[3].properties.principalId}'
  'sync_app=${identities[4].properties.principalId}'
]

resource prepare 'Microsoft.App/jobs@2025-07-01' = {
  name: 'aether-prepare'
  location: location
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${admin.id}': {} } }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      replicaTimeout: 900
      replicaRetryLimit: 0
      registries: [{ server: '${registryName}.azurecr.io', identity: admin.id }]
    }
    template: {
      containers: [
        {
          name: 'prepare'
          image: image
          command: ['sh', '-c', 'aether migrate bootstrap --to /tmp/logins.env && node deploy/azure/principals.ts']
          env: [
            { name: 'AZURE_CLIENT_ID', value: admin.properties.clientId }
            { name: 'PLATFORM_ADMIN_URL', value: 'postgresql://${admin.name}@${direct}/postgres?password_module=${module_}' }
            { name: 'AETHER_PRINCIPALS', value: join(principals, ',') }
          ]
          resources: { cpu: json('0.5'), memory: '1Gi' }
        }
      ]
    }
  }
}

resource migrate 'Microsoft.App/jobs@2025-07-01' = {
  name: 'aether-migrate'
  location: location
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${migrator.id}': {} } }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      // An index on a large table takes its time.
      replicaTimeout: 7200
      replicaRetryLimit: 0
      registries: [{ server: '${registryName}.azurecr.io', identity: migrator.id }]
    }
    template: {
      containers: [
        {
          name: 'migrate'
          image: image
          command: ['aether', 'migrate', 'up']
          env: [
            { name: 'AZURE_CLIENT_ID', value: migrator.properties.clientId }
            { name: 'PLATFORM_MIGRATOR_URL', value: 'postgresql://platform_migrator@${direct}/platform?password_module=${module_}' }
          ]
          resources: { cpu: json('0.5'), memory: '1Gi' }
        }
      ]
    }
  }
}
