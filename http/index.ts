export { createRoute, z } from '@hono/zod-openapi';
export { type App, type AppEnv, type AppOptions, createApp } from './app.ts';
export { type BodyLimits, bodyLimits, jsonBody } from './body.ts';
export {
  bigintId,
  bigintIdText,
  clientId,
  cursor,
  encodeCursor,
  line,
  object,
  pageSize,
  text,
  uuid,
} from './fields.ts';
export type { Checks } from './health.ts';
export { createLog } from './log.ts';
export { type FieldProblem, Problem, ProblemSchema, problems, refuseFields } from './problem.ts';
export { type Served, type ServeOptions, serve } from './serve.ts';
export { createStaffRoute, staffOnly } from './staff.ts';
