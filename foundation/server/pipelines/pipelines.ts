import {
  InvalidField,
  NotFound,
  PlatformError,
  patchRow,
  type Queryable,
  type Transaction,
  VersionConflict,
} from '@aether/platform';

export type Stage = {
  id: number;
  name: string;
  outcome: 'open' | 'won' | 'lost';
  probability_percent: number;
};
/** `version` also counts changes of its stages. */
export type Pipeline = { id: number; name: string; is_default: boolean; version: number; stages: Stage[] };

/** All pipelines, the default first, each with its stages in order. */
export async function listPipelines(on: Queryable): Promise<Pipeline[]> {
  return on.query<Pipeline>(
    `select p.id, p.name, p.is_default, p.version, coalesce(s.stages, '[]') as stages
     from crm.pipelines p left join lateral (
       select jsonb_agg(jsonb_build_object('id', id, 'name', name, 'outcome', outcome, 'probability_percent', probability_percent)
                        order by position) as stages
       from crm.pipeline_stages where pipeline_id = p.id) s on true
     order by p.is_default desc, p.name collate platform.people`,
  );
}

/** A removed stage has deals: move them first, or say where they go. */
export class StageInUse extends PlatformError {
  constructor(name: string, deals: number) {
    super('stage-in-use', 409, `${deals} deals are in ${name}. Say in move_to which stage takes them.`);
  }
}

/** The pipeline has deals: only a pipeline without deals can be removed. */
export class PipelineInUse extends PlatformError {
  constructor() {
    super('pipeline-in-use', 409, 'There are deals in this pipeline. Only one without any can be removed.');
  }
}

/** The stages of a new pipeline. */
const firstStages: StageInput[] = [
  { name: 'Qualified', outcome: 'open', probability_percent: 20 },
  { name: 'Proposal', outcome: 'open', probability_percent: 60 },
  { name: 'Won', outcome: 'won', probability_percent: 100 },
  { name: 'Lost', outcome: 'lost', probability_percent: 0 },
];

/** @throws NotFound */
export async function getPipeline(on: Queryable, id: number): Promise<Pipeline> {
  const pipeline = (await listPipelines(on)).find((each) => each.id === id);
  if (!pipeline) throw new NotFound('pipeline');
  return pipeline;
}

/** The first one is the default. @throws AlreadyExists for a name that is taken */
export async function createPipeline(tx: Transaction, name: string): Promise<Pipeline> {
  await tx.query('lock table crm.pipelines in share row exclusive mode');
  const [made] = await tx.query<{ id: number }>(
    'insert into crm.pipelines (name, is_default) select $1, not exists (select from crm.pipelines where is_default) returning id',
    [name],
  );
  const { id } = made as { id: number };
  await writeStages(tx, id, firstStages);
  return getPipeline(tx, id);
}

/** @throws NotFound, AlreadyExists, VersionConflict */
export async function updatePipeline(
  tx: Transaction,
  id: number,
  { name, is_default }: { name?: string; is_default?: true },
  expectedVersion?: number,
): Promise<Pipeline> {
  // Two pipelines that become the default at once would not see each other, so the second waits here.
  if (is_default) await tx.query('lock table crm.pipelines in share row exclusive mode');
  await lockPipeline(tx, id, expectedVersion);
  if (is_default) await tx.query('update crm.pipelines set is_default = false where is_default and id <> $1', [id]);
  await patchRow(tx, 'crm.pipelines', id, { name, is_default }, ['name', 'is_default']);
  return getPipeline(tx, id);
}

/** @throws NotFound, PipelineInUse; InvalidField for the default pipeline */
export async function deletePipeline(tx: Transaction, id: number): Promise<void> {
  const { is_default } = await lockPipeline(tx, id);
  await lockStages(tx, id);
  if (is_default)
    throw new InvalidField([{ field: 'id', message: 'is the default pipeline: make another one the default first' }]);
  if ((await tx.query('select from crm.deals where pipeline_id = $1 limit 1', [id])).length > 0)
    throw new PipelineInUse();
  await tx.query('delete from crm.pipeline_stages where pipeline_id = $1', [id]);
  await tx.query('delete from crm.pipelines where id = $1', [id]);
}

/** A stage with an id stays; one without an id is new. */
export type StageInput = Omit<Stage, 'id'> & { id?: number };

/**
 * Makes these the pipeline's stages, in this order. A stage that is not among them is removed.
 *
 * @param options.moveTo the new stage for the deals of a removed stage, by the id of the removed stage.
 * @throws NotFound, StageInUse, InvalidField, VersionConflict
 */
export async function replaceStages(
  tx: Transaction,
  id: number,
  stages: StageInput[],
  { moveTo = {}, expectedVersion }: { moveTo?: Record<string, number>; expectedVersion?: number } = {},
): Promise<Pipeline> {
  await lockPipeline(tx, id, expectedVersion);
  await lockStages(tx, id);
  const { stages: before } = await getPipeline(tx, id);
  checkStages(before, stages);
  const kept = new Set(stages.flatMap((stage) => stage.id ?? []));
  for (const stage of before.filter((each) => !kept.has(each.id))) {
    const [{ deals } = { deals: 0 }] = await tx.query<{ deals: number }>(
      'select count(*)::integer as deals from crm.deals where stage_id = $1',
      [stage.id],
    );
    const target = before.find((each) => each.id === moveTo[stage.id] && kept.has(each.id));
    if (deals > 0 && !target) throw new StageInUse(stage.name, deals);
    if (deals > 0 && target?.outcome !== stage.outcome)
      throw new InvalidField([
        { field: `move_to.${stage.id}`, message: 'must be a stage of the same kind that stays' },
      ]);
    if (target) await tx.query('update crm.deals set stage_id = $2 where stage_id = $1', [stage.id, target.id]);
    await tx.query('delete from crm.pipeline_stages where id = $1', [stage.id]);
  }
  // Two stages may swap their names, so a name that another stage gets is freed first. Only those: each change of a name is recorded.
  await tx.query(
    `update crm.pipeline_stages s set name = '#' || s.id
     from unnest($2::bigint[], $3::text[]) as given (id, name)
     where s.pipeline_id = $1 and s.name = given.name and s.id is distinct from given.id`,
    [id, stages.map((stage) => stage.id ?? null), stages.map(({ name }) => name)],
  );
  await writeStages(tx, id, stages);
  return getPipeline(tx, id);
}

async function writeStages(tx: Transaction, pipelineId: number, stages: StageInput[]): Promise<void> {
  for (const [index, { id, name, outcome, probability_percent }] of stages.entries()) {
    if (id === undefined)
      await tx.query(
        'insert into crm.pipeline_stages (pipeline_id, name, position, outcome, probability_percent) values ($1, $2, $3, $4, $5)',
        [pipelineId, name, index + 1, outcome, probability_percent],
      );
    else
      await tx.query(
        'update crm.pipeline_stages set name = $2, position = $3, probability_percent = $4 where id = $1',
        [id, name, index + 1, probability_percent],
      );
  }
}

function checkStages(before: Stage[], stages: StageInput[]): void {
  const refuse = (field: string, message: string) => {
    throw new InvalidField([{ field, message }]);
  };
  const names = stages.map((stage) => stage.name.toLowerCase());
  if (new Set(names).size < names.length) refuse('stages', 'must have names that differ');
  const ids = stages.flatMap((stage) => stage.id ?? []);
  if (new Set(ids).size < ids.length) refuse('stages', 'names a stage twice');
  for (const [index, stage] of stages.entries()) {
    if (stage.id === undefined) continue;
    const known = before.find((each) => each.id === stage.id);
    if (!known) refuse(`stages.${index}.id`, 'is no stage of this pipeline');
    else if (known.outcome !== stage.outcome)
      refuse(`stages.${index}.outcome`, 'stays as it is: make a new stage instead');
  }
  const count = (outcome: Stage['outcome']) => stages.filter((stage) => stage.outcome === outcome).length;
  if (count('open') === 0) refuse('stages', 'must hold an open stage');
  if (count('won') !== 1 || count('lost') !== 1) refuse('stages', 'must hold one stage for won and one for lost');
}

/** Locks the pipeline to the end of the transaction. @throws NotFound, VersionConflict */
async function lockPipeline(tx: Transaction, id: number, expectedVersion?: number): Promise<{ is_default: boolean }> {
  const [pipeline] = await tx.query<{ is_default: boolean; version: number }>(
    'select is_default, version from crm.pipelines where id = $1 for update',
    [id],
  );
  if (!pipeline) throw new NotFound('pipeline');
  if (expectedVersion !== undefined && pipeline.version !== expectedVersion)
    throw new VersionConflict('pipeline', expectedVersion, pipeline.version);
  return pipeline;
}

/**
 * Locks the pipeline's stages to the end of the transaction. A transaction that makes, moves or closes a deal in one of them finishes
 * first, and the next one waits. The stages are locked before the deals, here and in deals/moving.ts, so that nobody waits in a circle.
 */
async function lockStages(tx: Transaction, pipelineId: number): Promise<void> {
  await tx.query('select from crm.pipeline_stages where pipeline_id = $1 order by id for update', [pipelineId]);
}
