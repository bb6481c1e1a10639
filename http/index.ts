export { refuseReader, refuseStranger } from './actor.ts';
export { askServer, type Question } from './asking.ts';
export { type Authenticate, allows, type Caller } from './caller.ts';
export { houseCodes, joinCodes, type ProblemCodes } from './codes.ts';
export { answerCsv, type CsvColumns, csvHeaders, csvResponse, pagesOf, toCsv, toCsvLine } from './csv.ts';
export { cursor, cursorsOf } from './cursors.ts';
export { type BodyLimits, bodyLimits, jsonBody, limitBody } from './input/body.ts';
export { byteBody, bytesOf, readByteBody } from './input/bytes.ts';
export {
  bigintId,
  bigintIdText,
  clientId,
  date,
  line,
  object,
  pageSize,
  text,
  time,
  uuid,
} from './input/fields.ts';
export { z } from './input/zod.ts';
export { isLoopbackHost } from './loopback.ts';
export { type Metrics, openMetrics } from './metrics/metrics.ts';
export { addMetricsRoute } from './metrics/route.ts';
export { addMovesOf, MoveSchema, movesOf } from './moves.ts';
export { addNoticeRoutes, hearsNotice, MentionsSchema, mentionable } from './notices.ts';
export { ownOrigin, requireOwnPage } from './ownpage.ts';
export { type FieldProblem, Problem, ProblemSchema, problems, refuseFields } from './problem.ts';
export {
  AddressSchema,
  appName,
  CompanySchema,
  CrmContextSchema,
  CustomerSchema,
  MergedFromSchema,
  PhoneSchema,
  SimilarCustomerSchema,
  TierSchema,
} from './records.ts';
export { isPersonal, type Right, refuseScope } from './rights.ts';
export { createRoute } from './route.ts';
export { type AppScopes, type Scope, scopesOfSharedEvents } from './scopes.ts';
export { type App, type AppEnv, type AppOptions, createApp } from './serving/app.ts';
export type { Checks } from './serving/health.ts';
export { type Listening, readListening, readPlace, readProxyHops } from './serving/listening.ts';
export { createLog, type Log } from './serving/log.ts';
export { answerEvents, type LongAnswer } from './serving/longanswer.ts';
export { giveBackMemory } from './serving/memory.ts';
export { escapeHtml, makePage } from './serving/page.ts';
export { countSeats } from './serving/seats.ts';
export { type Served, type ServeOptions, serve } from './serving/serve.ts';
export { runServer, type ServerContext, type ServerOptions, startServer } from './serving/server.ts';
export type { Hearing } from './serving/stream.ts';
export { addSettingChangeRoutes } from './settingchanges.ts';
export {
  addDays,
  cutSpan,
  daysOf,
  offsetsOf,
  type Piece,
  type PieceSize,
  pieceField,
  pieceSizes,
  readSpan,
  type Span,
  spanFields,
  timeZone,
  todayIn,
} from './spans.ts';
export { createStaffRoute, describeSignIn } from './staff.ts';
export { answerTexts, type TextResult, TextSearchSchema, textQuery } from './textsearch.ts';
