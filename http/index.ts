export { z } from '@hono/zod-openapi';
export { refuseStranger, requireAdmin, staffOnly } from './actor.ts';
export { type App, type AppEnv, type AppOptions, createApp } from './app.ts';
export { type BodyLimits, bodyLimits, jsonBody } from './body.ts';
export type { Authenticate, Caller } from './caller.ts';
export {
  bigintId,
  bigintIdText,
  clientId,
  cursor,
  cutPage,
  date,
  line,
  object,
  pageSize,
  text,
  time,
  uuid,
} from './fields.ts';
export type { Checks } from './health.ts';
export { createLog, type Log } from './log.ts';
export { answerEvents } from './longanswer.ts';
export { isLoopbackHost } from './loopback.ts';
export { ownOrigin, requireOwnPage } from './ownpage.ts';
export { type FieldProblem, Problem, ProblemSchema, problems, refuseFields } from './problem.ts';
export { CompanySchema, CrmContextSchema, CustomerSchema } from './records.ts';
export { createRoute } from './route.ts';
export { type Served, type ServeOptions, serve } from './serve.ts';
export { runServer, type ServerContext, type ServerOptions, startServer } from './server.ts';
export { createStaffRoute, describeSignIn } from './staff.ts';
