// What runs before the apps of a release: roles and logins, then migrations. hooks/release.sh starts both and waits for them.
param location string = resourceGroup().location
param environmentName string
param registryName string
param databaseHost string
@description('The image with its tag.')
param image string

var module_ = '/app/deploy/azure/databasetoken.mjs'
var direct = '${databaseHost}:5432'
// The logins that an identity signs in as; platform_migrator is that of the second job.
var logins = ['migrator=platform_migrator', 'foundation=foundation_app', 'support=support_app', 'console=console_app', 'worker=sync_app']

resource environment 'Microsoft.App/managedEnvironments@2025-07-01' existing = {
  name: environmentName
}

resource admin 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'aether-admin'
}

resource migrator 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'aether-migrator'
}

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [for login in logins: {
  name: 'aether-${split(login, '=')[0]}'
}]

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
            { name: 'AETHER_PRINCIPALS', value: join(map(range(0, length(logins)), n => '${split(logins[n], '=')[1]}=${identities[n].properties.principalId}'), ',') }
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
