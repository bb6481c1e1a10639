import type { Format, SeenColumn } from './formats.ts';
import { fieldOfHeading, headingKey } from './headings.ts';
import { customKeyOf, type Field, nameColumns, type PlainField, readField } from './mapping.ts';
import { isAddedColumn } from './mending.ts';
import { type Shape, shapeOf } from './shapes.ts';

/** A column as a person sees it before an import. */
export type Column = {
  /** Unique within the source; what a mapping names. */
  name: string;
  heading: string;
  /** The proposed meaning; null: the column is not imported. */
  field: Field | null;
  /** What it could be instead, where nothing is proposed. */
  suggestion: Field | null;
  /** Why: the known format, the heading, or the values. */
  because: 'format' | 'heading' | 'values' | null;
  samples: string[];
  /** The share of rows in the sample that have a value. */
  filled: number;
  /** Of the values that are filled, what share looks like what. */
  shape: Shape;
};

const samplesMax = 5;
const sampleCharactersMax = 100;
const several = new Set<Field>(['email', 'phone', 'note', 'tag', 'domain']);

export function seeColumns(headings: readonly string[], rows: readonly (readonly string[])[]): SeenColumn[] {
  return nameColumns(headings).map((name, at) => {
    const cells = rows.map((cells) => cells[at] ?? '');
    const samples = [...new Set(cells.map((cell) => cell.trim()).filter((cell) => cell !== ''))].slice(0, samplesMax);
    return {
      name,
      key: headingKey(headings[at] ?? ''),
      shape: shapeOf(cells),
      samples: samples.map((cell) => cell.slice(0, sampleCharactersMax)),
    };
  });
}

/** Proposes a meaning for each column: by the known format, else by its heading, else by its values. Values that disagree win. */
export function proposeColumns(seen: SeenColumn[], headings: readonly string[], format: Format | undefined): Column[] {
  const taken = new Set<Field>();
  const proposals = seen.map((column, at): Pick<Column, 'field' | 'because'> => {
    if (format && column.key in format.columns) return { field: format.columns[column.key] ?? null, because: 'format' };
    const told = readField((headings[at] ?? '').trim());
    if (told?.startsWith('custom:')) return { field: told, because: 'heading' };
    if (isAddedColumn(headings[at] ?? '')) return { field: null, because: null };
    const heading = fieldOfHeading(headings[at] ?? '');
    if (heading && agrees(heading, column)) return { field: heading, because: 'heading' };
    const values = fieldOfValues(column, at - headings.slice(0, at).filter(isAddedColumn).length);
    return values ? { field: values, because: 'values' } : { field: null, because: null };
  });
  preferWholeNames(seen, proposals);
  // A known format names the better of two columns first, such as the IANA name of a zone before another one.
  const ranks = Object.keys(format?.columns ?? {});
  const rankOf = (at: number) => ranks.indexOf(seen[at]?.key ?? '');
  const ranked = proposals.map((_, at) => at).sort((one, other) => rankOf(one) - rankOf(other) || one - other);
  const claim = (because: Column['because']) => {
    for (const at of because === 'format' ? ranked : proposals.keys()) {
      const proposal = proposals[at] as Pick<Column, 'field' | 'because'>;
      const { field } = proposal;
      if (field === null || proposal.because !== because) continue;
      if (taken.has(field) && !several.has(field)) {
        proposal.field = null;
        proposal.because = null;
      } else taken.add(field);
    }
  };
  claim('format');
  claim('heading');
  claim('values');
  return seen.map(({ name, samples, shape }, at) => {
    const { field, because } = proposals[at] as Pick<Column, 'field' | 'because'>;
    const custom = field === null && shape.filled > 0 ? customKeyOf(headings[at] ?? '') : undefined;
    const isExcluded = because === 'format' || isAddedColumn(headings[at] ?? '');
    return {
      name,
      heading: headings[at] ?? '',
      field,
      suggestion: custom && !isExcluded ? (`custom:${custom}` as const) : null,
      because,
      samples,
      filled: shape.cells === 0 ? 0 : shape.filled / shape.cells,
      shape,
    };
  });
}

/** Whether the values can be what the heading says. A column without values agrees with everything. */
function agrees(field: PlainField, { shape, samples }: SeenColumn): boolean {
  if (shape.filled === 0) return true;
  if (field === 'email') return shape.email >= 0.3 || shape.exchange > 0 || shape.filled < 3;
  if (shape.email > 0.6) return field === 'owner' || (field === 'id' && shape.distinct === shape.filled);
  if (field === 'phone') return samples.some((cell) => /\d{3}/.test(cell.replace(/[\s().-]/g, '')));
  if (field === 'birth_date') return shape.date > 0.3 || /^\d{8}$/.test(samples[0] ?? '') || shape.filled < 3;
  if (field === 'created_at') return shape.date > 0.3 || shape.integer > 0.9;
  if (field === 'domain') return shape.url > 0.3;
  if (field === 'id') return shape.date < 0.5 && shape.distinct > shape.filled * 0.5;
  if (field === 'timezone') return shape.integer < 0.5;
  return true;
}

function fieldOfValues({ shape }: SeenColumn, at: number): PlainField | undefined {
  if (shape.filled === 0) return undefined;
  const isUnique = shape.filled === shape.cells && shape.distinct === shape.filled && shape.filled > 1;
  if (at === 0 && shape.integer === 1 && isUnique) return 'id';
  if (shape.email > 0.7) return 'email';
  if (shape.international > 0.7) return 'phone';
  if (shape.uuid > 0.95 && shape.distinct === shape.filled) return 'id';
  return undefined;
}

/** `Nome` and `Nombre` mean a first name beside a last name, and a whole name alone. */
function preferWholeNames(seen: SeenColumn[], proposals: Pick<Column, 'field' | 'because'>[]): void {
  if (proposals.some(({ field }) => field === 'last_name' || field === 'name')) return;
  for (const [at, proposal] of proposals.entries()) {
    const samples = seen[at]?.samples ?? [];
    const whole = samples.filter((cell) => /\S\s+\S/.test(cell)).length;
    if (proposal.field === 'first_name' && whole * 2 > samples.length) proposal.field = 'name';
  }
}
