import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { testCertificate, trustTestCertificate } from '@aether/database/testing.tls';

/** What Application Insights is sent: a series, a request or a dependency. */
export type Envelope = {
  name: string;
  iKey: string;
  time: string;
  tags: Record<string, string>;
  data: {
    baseType: string;
    baseData: {
      metrics?: { name: string; value: number; count: number }[];
      properties: Record<string, string>;
      name?: string;
      id?: string;
      success?: boolean;
      responseCode?: string;
      type?: string;
      url?: string;
      target?: string;
      data?: string;
    };
  };
};

export type AzureEndpoint = {
  /** What it answers. */
  status: number;
  url: string;
  received: Envelope[];
  bodies: string[];
  close(): void;
};

/** An ingestion endpoint with TLS, as Application Insights has, which this process trusts until it is closed. */
export async function startAzureEndpoint(): Promise<AzureEndpoint> {
  const distrust = trustTestCertificate();
  const received: Envelope[] = [];
  const bodies: string[] = [];
  const endpoint = { status: 200 };
  const server = createServer(testCertificate, async (request, response) => {
    const sent = await buffer(request);
    const body = String(request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent);
    bodies.push(body);
    const envelopes: Envelope[] = JSON.parse(body);
    if (endpoint.status === 200) received.push(...envelopes);
    response.statusCode = endpoint.status;
    response.end(JSON.stringify({ itemsReceived: envelopes.length, itemsAccepted: envelopes.length, errors: [] }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  return Object.assign(endpoint, {
    url,
    received,
    bodies,
    close() {
      server.close();
      distrust();
    },
  });
}
