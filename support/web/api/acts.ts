import { read } from '@aether/ui/request.ts';
import type { InferRequestType, InferResponseType } from 'hono/client';
import { actedSessions } from './clients.ts';

type Body = InferRequestType<typeof actedSessions.acts.$post>['json'];
export type Act = Body['act'];
export type OnlyIf = NonNullable<Body['only_if']>;
export type Outcome = InferResponseType<typeof actedSessions.acts.$post, 200>;
export type Priority = Outcome['changed'][number]['priority'];

/** So many conversations are changed in one act. */
export const actedMax = 100;

export const actOnSessions = (ids: string[], act: Act, only_if?: OnlyIf) =>
  read(actedSessions.acts.$post({ json: { ids, act, ...(only_if && { only_if }) } }));
