/** @throws if the setting is not a port number */
export function readPort(setting: string, fallback: number): number {
  const port = Number(process.env[setting] || fallback);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`${setting} must be a port number from 0 to 65535.`);
  return port;
}
