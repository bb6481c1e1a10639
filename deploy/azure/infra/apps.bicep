// The three servers and the worker. They come after the migrations of their release.
param location string = resourceGroup().location
param environmentName string
param registryName string
param databaseHost string
param busHost string
@description('The image with its tag.')
param image string
@description('The OpenID Connect issuer: https://login.microsoftonline.com/<tenant id>/v2.0')
param signinIssuer string
@description('The client ids of the three app registrations: { foundation: …, support: …, console: … }')
param signinClients object
@secure()
@description('Their secrets, by the same names.')
param signinSecrets object
@description('The address of the storage account for files; empty: they are in PostgreSQL.')
param filesUrl string
@secure()
@description('The settings of e-mail by app: { foundation: { MAIL_SMTP_URL: …, MAIL_FROM: …, … }, support: … }. An app without them sends none.')
param mail object
@description('The public hosts, if they are not those of the environment: { foundation: crm.example.com, … }')
param hosts object = {}

var apps = [
  { name: 'foundation', file: 'foundation/server/main.ts', login: 'foundation_app', role: 'foundation_role', hasFiles: true }
  { name: 'support', file: 'support/server/main.ts', login: 'support_app', role: 'support_role', hasFiles: true }
  { name: 'console', file: 'sync/server/main.ts', login: 'console_app', role: 'console_role', hasFiles: false }
]
var query = 'password_module=/app/deploy/azure/databasetoken.mjs'

resource environment 'Microsoft.App/managedEnvironments@2025-07-01' existing = {
  name: environmentName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: 'aether'
}

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = [for app in apps: {
  name: 'aether-${app.name}'
}]

resource workerIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: 'aether-worker'
}

var publicUrls = map(apps, app => {
  name: '${toUpper(app.name)}_PUBLIC_URL'
  value: 'https://${hosts[?app.name] ?? 'aether-${app.name}.${environment.properties.defaultDomain}'}'
})

resource servers 'Microsoft.App/containerApps@2025-07-01' = [for (app, index) in apps: {
  name: 'aether-${app.name}'
  location: location
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identities[index].id}': {} } }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [{ server: '${registryName}.azurecr.io', identity: identities[index].id }]
      // All of e-mail is secret, so that nobody has to know which address holds a password: MAIL_SMTP_URL is the secret mail-smtp-url.
      secrets: concat(
        [{ name: 'signin', value: signinSecrets[app.name] }],
        map(items(mail[?app.name] ?? {}), each => { name: toLower(replace(each.key, '_', '-')), value: '${each.value}' })
      )
      ingress: { external: true, targetPort: 8080, transport: 'auto', allowInsecure: false }
    }
    template: {
      // Longer than CLOSE_AFTER_MS and the six seconds in which requests are finished.
      terminationGracePeriodSeconds: 20
      scale: { minReplicas: 2, maxReplicas: 5, rules: [{ name: 'requests', http: { metadata: { concurrentRequests: '100' } } }] }
      containers: [
        {
          name: app.name
          image: image
          command: ['node', app.file]
          resources: { cpu: json('0.5'), memory: '1Gi' }
          env: concat(publicUrls, [
            { name: 'AZURE_CLIENT_ID', value: identities[index].properties.clientId }
            { name: 'PLATFORM_DB_URL', value: 'postgresql://${app.login}@${databaseHost}:6432/platform?${query}' }
            { name: 'PLATFORM_DB_POOLER', value: 'transaction' }
            { name: 'PLATFORM_DB_LISTEN_URL', value: 'postgresql://${app.login}@${databaseHost}:5432/platform?${query}' }
            { name: 'DB_ROLE', value: app.role }
            { name: 'PROXY_HOPS', value: '1' }
            { name: 'CLOSE_AFTER_MS', value: '10000' }
            { name: 'SIGNIN_ISSUER', value: signinIssuer }
            { name: 'SIGNIN_CLIENT_ID', value: signinClients[app.name] }
            { name: 'SIGNIN_AUDIENCE', value: '${signinClients[app.name]},api://${signinClients[app.name]}' }
            { name: 'SIGNIN_CLIENT_SECRET', secretRef: 'signin' }
            { name: 'SIGNIN_ADMIN_ROLE', value: 'Aether.Admin' }
            { name: 'SIGNIN_READER_ROLE', value: 'Aether.Reader' }
            { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insights.properties.ConnectionString }
          ], filesUrl != '' && app.hasFiles ? [
            { name: 'FILES_AZURE_ACCOUNT_URL', value: filesUrl }
          ] : [], map(items(mail[?app.name] ?? {}), each => { name: each.key, secretRef: toLower(replace(each.key, '_', '-')) }))
          probes: [
            { type: 'Startup', httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 2, failureThreshold: 30 }
            { type: 'Liveness', httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10, failureThreshold: 6 }
            { type: 'Readiness', httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 3, failureThreshold: 2, timeoutSeconds: 3 }
          ]
        }
      ]
    }
  }
}]

resource worker 'Microsoft.App/containerApps@2025-07-01' = {
  name: 'aether-worker'
  location: location
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${workerIdentity.id}': {} } }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [{ server: '${registryName}.azurecr.io', identity: workerIdentity.id }]
    }
    template: {
      terminationGracePeriodSeconds: 20
      // One leads, the other takes over.
      scale: { minReplicas: 2, maxReplicas: 2 }
      containers: [
        {
          name: 'worker'
          image: image
          command: ['node', 'sync/main.ts']
          resources: { cpu: json('0.5'), memory: '1Gi' }
          env: [
            { name: 'AZURE_CLIENT_ID', value: workerIdentity.properties.clientId }
            // Past the pooler: it keeps locks and listens.
            { name: 'PLATFORM_DB_URL', value: 'postgresql://sync_app@${databaseHost}:5432/platform?${query}' }
            { name: 'DB_ROLE', value: 'sync_role' }
            { name: 'SERVICEBUS_NAMESPACE', value: busHost }
            { name: 'SERVICEBUS_CLIENT_ID', value: workerIdentity.properties.clientId }
            { name: 'CONSOLE_PUBLIC_URL', value: publicUrls[2].value }
            { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insights.properties.ConnectionString }
          ]
          probes: [
            { type: 'Liveness', httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10, failureThreshold: 6 }
            { type: 'Readiness', httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 5, failureThreshold: 3, timeoutSeconds: 3 }
          ]
        }
      ]
    }
  }
}

output addresses array = map(publicUrls, each => each.value)
