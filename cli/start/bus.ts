import { ensureTopology, readServiceBusSettings, type ServiceBusSettings } from '@aether/servicebus';
import { startStandIn } from '@aether/servicebus/standin';

/** The Service Bus of a start with --with-bus, as settings for processes. */
export type Bus = {
  variables: Record<string, string>;
  /** Whether it is the stand-in, which keeps nothing over a restart. */
  isStandIn: boolean;
  stop(): Promise<void>;
};

/** The events that billing follows. */
export const billingTypes = ['created', 'updated', 'deleted', 'merged', 'unmerged'].map((verb) => `customer.${verb}`);

/** Uses the namespace of SERVICEBUS_…, as it is; without one it starts the stand-in, with the topic and billing's subscription. */
export async function startBus(): Promise<Bus> {
  if (readServiceBusSettings(process.env)) return { variables: {}, isStandIn: false, async stop() {} };
  const standIn = await startStandIn();
  const variables = {
    SERVICEBUS_CONNECTION_STRING: standIn.connectionString,
    SERVICEBUS_ADMIN_URL: standIn.adminUrl,
  };
  try {
    const settings = readServiceBusSettings(variables) as ServiceBusSettings;
    await ensureTopology(settings, [{ name: 'billing', audiences: ['platform'], types: billingTypes }]);
  } catch (error) {
    await standIn.close();
    throw error;
  }
  return { variables, isStandIn: true, stop: () => standIn.close() };
}
