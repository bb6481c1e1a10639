import { TLSSocket } from 'node:tls';
import type pg from 'pg';

/** Whether a connection to the database uses TLS and, if so, when the server's certificate ends, in seconds since 1970. */
export type Certificate = { tls: boolean; certificate_until?: number };

/** @param client one that is connected */
export function readCertificate(client: pg.ClientBase): Certificate {
  const { stream } = (client as unknown as { connection: { stream: unknown } }).connection;
  if (!(stream instanceof TLSSocket)) return { tls: false };
  const until = Date.parse(stream.getPeerCertificate().valid_to) / 1_000;
  return { tls: true, ...(Number.isFinite(until) && { certificate_until: until }) };
}
