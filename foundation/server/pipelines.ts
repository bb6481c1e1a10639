import type { Queryable } from '@aether/platform';

export type Stage = {
  id: number;
  name: string;
  outcome: 'open' | 'won' | 'lost';
  probability_percent: number;
};
export type Pipeline = { id: number; name: string; is_default: boolean; stages: Stage[] };

/** All pipelines, the default first, each with its stages in order. */
export async function listPipelines(on: Queryable): Promise<Pipeline[]> {
  return on.query<Pipeline>(
    `select p.id, p.name, p.is_default, coalesce(s.stages, '[]') as stages
     from crm.pipelines p left join lateral (
       select jsonb_agg(jsonb_build_object('id', id, 'name', name, 'outcome', outcome, 'probability_percent', probability_percent)
                        order by position) as stages
       from crm.pipeline_stages where pipeline_id = p.id) s on true
     order by p.is_default desc, p.name`,
  );
}
