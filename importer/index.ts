export type { Held, HeldReason } from './matching/addresses.ts';
export type { BlockReport } from './matching/blocks.ts';
export type { Decision } from './matching/claims.ts';
export { blockKeysOf } from './matching/detection.ts';
export {
  groupPersons,
  type MatchOptions,
  type MatchResult,
  matchPrepared,
  matchTable,
  type PersonGroups,
} from './matching/matching.ts';
export { type MatchModel, makeModel, modelledMin, packModel } from './matching/model.ts';
export { PersonTable, type RowFacts } from './matching/persontable.ts';
export { type Prepared, prepare, TooManyRows } from './matching/preparing.ts';
export { type Reason, reasonOfWords, sayReason } from './matching/reasons.ts';
export { type MatchSettings, type RuleName, ruleNames, rulesVersion, standardSettings } from './matching/rules.ts';
export { readSettings, UnknownSetting } from './matching/settings.ts';
export { type Measure, measureGroups, measureReviews, type ReviewMeasure } from './matching/truth.ts';
export { type WhatIf, whatIf } from './matching/whatif.ts';
export type { CellRemark, Person, PersonCompany, PersonEmail, PersonPhone, ReadRow } from './person.ts';
export { readCompanions } from './reading/companions.ts';
export type { Layout, LayoutAnswers } from './reading/layout.ts';
export {
  customKeyOf,
  type Field,
  fingerprintOf,
  type Mapping,
  plainFields,
  readField,
  requireMapping,
} from './reading/mapping.ts';
export { type MendingFile, mendingFileOf } from './reading/mending.ts';
export type { Answers, Companions } from './reading/persons.ts';
export { countRows, type ReadingOptions, type ReadingProgress, readPersons } from './reading/reading.ts';
export { type Question, type Recognition, recognise } from './reading/recognition.ts';
export { type RefusalCode, SourceRefused } from './reading/refusal.ts';
export { type ByteSource, openQuery, openSource, type QuerySource, type Source } from './reading/source.ts';
export { abandonImport } from './run/abandon.ts';
export { type Answer, type AnswerPair, answerPair, answers } from './run/answers.ts';
export { applyImport, type StepOptions } from './run/apply.ts';
export { type NamedPlace, namePlaces, type Place } from './run/places.ts';
export { type Plan, type PlannedSource, type PlanOptions, planImport } from './run/plan.ts';
export { type PlannedSourceOptions, plannedSource, sourceOf } from './run/plannedsource.ts';
export {
  type Conflict,
  type Counts,
  type ImportClient,
  ImportRefused,
  type Kept,
  type Outcome,
  outcomes,
  type Run,
  type RunFile,
  type RunRow,
  type RunSettings,
  type RunState,
  type RunStep,
} from './run/records.ts';
export { replanImport } from './run/replan.ts';
export { writeRowsFile } from './run/rowsfile.ts';
export { type Candidate, listCandidates, listRows, listRuns, type RowQuery, readKept, readRun } from './run/runs.ts';
export { type Undone, undoImport } from './run/undo.ts';
export { type Verified, verifyImport } from './run/verify.ts';
export { type PreparedRun, prepareRun, type RunChange, type RunWhatIf, whatIfRun } from './run/whatif.ts';
