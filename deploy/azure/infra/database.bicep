// PostgreSQL 18 with sign-in by Entra alone: no login has a password that anybody could use.
param location string
param tags object
param name string
param sku string
param gigabytes int
param highlyAvailable bool
param subnetId string
param zoneId string
param administratorName string
param administratorPrincipal string

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku, tier: 'GeneralPurpose' }
  properties: {
    version: '18'
    createMode: 'Default'
    authConfig: { activeDirectoryAuth: 'Enabled', passwordAuth: 'Disabled', tenantId: tenant().tenantId }
    network: { delegatedSubnetResourceId: subnetId, privateDnsZoneArmResourceId: zoneId }
    storage: { storageSizeGB: gigabytes, autoGrow: 'Enabled' }
    // 35 days are the most that there are; docs/privacy.md says how long an erased person is still in a backup.
    backup: { backupRetentionDays: 35, geoRedundantBackup: 'Disabled' }
    highAvailability: { mode: highlyAvailable ? 'ZoneRedundant' : 'Disabled' }
  }
}

// The server takes one change at a time and refuses the next one meanwhile: so one after another.
var settings = [
  // All extensions in one value: a second value would replace the first. pg_stat_statements is there by itself.
  { name: 'azure.extensions', value: 'PG_TRGM' }
  // Values of rows must not get into the server's log: docs/privacy.md.
  { name: 'log_error_verbosity', value: 'terse' }
  { name: 'log_parameter_max_length_on_error', value: '0' }
  { name: 'pg_stat_statements.track_utility', value: 'off' }
  // The pooler of the apps, on port 6432. It keeps no named statements: the apps send none through it.
  { name: 'pgbouncer.enabled', value: 'true' }
  { name: 'pgbouncer.pool_mode', value: 'transaction' }
  { name: 'pgbouncer.max_prepared_statements', value: '0' }
]

@batchSize(1)
resource configurations 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = [for setting in settings: {
  parent: server
  name: setting.name
  properties: { value: setting.value, source: 'user-override' }
}]

// Last: while it is made, the server takes no other change, and a change cuts it off.
resource administrator 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2025-08-01' = {
  parent: server
  name: administratorPrincipal
  properties: {
    principalName: administratorName
    principalType: 'ServicePrincipal'
    tenantId: tenant().tenantId
  }
  dependsOn: [configurations]
}

output host string = server.properties.fullyQualifiedDomainName
