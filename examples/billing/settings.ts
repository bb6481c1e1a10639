/** What this app needs to know: its own database, where the platform is, and how it signs in there as a machine. */
export type Settings = {
  databaseUrl: string;
  platform: { url: string; issuer: string; clientId: string; clientSecret: string; scope: string };
  /** The app's subscription of the bus. */
  subscription: string;
  /** How long the bus certainly keeps a message for this app. */
  busKeepsDays: number;
  port: number;
};

/** Reads the environment. The settings of the bus itself, SERVICEBUS_…, are the library's. @throws naming the variable */
export function readSettings(variables: Record<string, string | undefined>): Settings {
  const need = (name: string): string => {
    const value = variables[name];
    if (value) return value;
    throw new Error(`${name} is not set: see the README of this folder.`);
  };
  const number = (name: string, fallback: number, max: number): number => {
    const value = Number(variables[name] || fallback);
    if (value >= 0 && value <= max) return value;
    throw new Error(`${name} must be a number from 0 to ${max}.`);
  };
  return {
    databaseUrl: need('BILLING_DB_URL'),
    platform: {
      url: need('BILLING_PLATFORM_URL').replace(/\/$/, ''),
      issuer: need('BILLING_ISSUER').replace(/\/$/, ''),
      clientId: variables.BILLING_CLIENT_ID || 'billing',
      clientSecret: need('BILLING_CLIENT_SECRET'),
      scope: variables.BILLING_SCOPE || 'snapshots.read',
    },
    subscription: variables.BILLING_SUBSCRIPTION || 'billing',
    // A day less than the fourteen of `aether servicebus ensure`.
    busKeepsDays: number('BILLING_BUS_KEEPS_DAYS', 13, 3_650),
    port: number('BILLING_PORT', 4600, 65_535),
  };
}
