import type { Mapping } from '../reading/mapping.ts';
import type { Answers, Companions } from '../reading/persons.ts';
import { type ReadingProgress, readPersons } from '../reading/reading.ts';
import type { Recognition } from '../reading/recognition.ts';
import type { Source } from '../reading/source.ts';
import type { PlannedSource } from './plan.ts';

export type PlannedSourceOptions = {
  /** Where the ids of its rows come from; by default the recognised format, or the file's name. */
  source?: string | undefined;
  mapping?: Mapping;
  answers?: Answers;
  phoneCountry?: string | undefined;
  companions?: Companions;
  onProgress?: (progress: ReadingProgress) => void;
  signal?: AbortSignal;
};

/** What a plan reads, of a source that was opened and recognised. The caller closes the source when the plan is made. */
export async function plannedSource(
  source: Source,
  recognition: Recognition,
  { source: given, ...options }: PlannedSourceOptions = {},
): Promise<PlannedSource> {
  const { layout } = recognition;
  const leftOut = new Map<string, number>();
  return {
    source: given ?? recognition.format ?? sourceOf(source.name),
    name: source.name,
    sha256: source.kind === 'bytes' ? await source.hash() : null,
    layout: {
      kind: layout.kind,
      headings: layout.headings,
      delimiter: layout.kind === 'delimited' ? layout.delimiter : layout.kind === 'query' ? ',' : null,
    },
    leftOut,
    rows: readPersons(source, { recognition, leftOut, ...options }),
  };
}

/** What the ids of a list belong to if nobody says it: `Old CRM (2020).csv` → old-crm-2020. Pure. */
export function sourceOf(name: string): string {
  const source = name
    .replace(/(\.[A-Za-z0-9]{1,5}){1,2}$/, '')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
    .replace(/-+$/, '');
  return source || 'file';
}
