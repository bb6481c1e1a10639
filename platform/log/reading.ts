/*
 * Which statements certainly change nothing. A statement that may change something needs the settings that its events carry. A pure read
 * is spared them, because they would cost a lone lookup a fifth of its time.
 */

const opening = /^\s*(?:select|values|table|with|show)\b/i;
const writing = /\b(?:insert|update|delete|merge|call|into|nextval|share)\b/i;
/** Hides a call: a comment between a name and its parenthesis, letters beyond ASCII, letters written as code points. */
const hiding = /--|\/\*|[^ -~\t\r\n]|\buescape\b/i;
const beforeParenthesis = /((?:[\w$"]+\s*\.\s*)*[\w$"]+)\s*\(/g;

/** What may precede a parenthesis: words of the language, and functions of PostgreSQL and of the log that change nothing. */
const harmless = new Set(
  `all and any array as by case distinct else except exists filter from in intersect is join lateral like limit materialized not offset on or
   over partition recursive row select some then union using values when where with
   abs age array_agg array_length array_position array_to_string avg bool_and bool_or cardinality ceil clock_timestamp coalesce concat
   concat_ws count date_part date_trunc dense_rank extract first_value floor format generate_series greatest initcap json_agg
   json_build_object jsonb_agg jsonb_array_elements jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_object_agg
   jsonb_typeof lag last_value lead least left length lower lpad make_interval max md5 min now nullif numeric octet_length pg_column_compression
   pg_column_size position
   random rank regexp_replace replace right round row_number row_to_json rpad split_part starts_with statement_timestamp string_agg
   string_to_array strpos substr substring sum timestamptz to_char to_json to_jsonb to_timestamp trim unnest upper varchar
   sync.has_place sync.head sync.id_at sync.list_vain_types sync.outbox_age sync.read_events`.split(/\s+/),
);

/** Whether a statement may change something: it says so, or it calls a function that is not known to change nothing. Pure. */
export function mayWrite(text: string): boolean {
  if (!opening.test(text) || writing.test(text) || hiding.test(text)) return true;
  for (const [, name = ''] of text.matchAll(beforeParenthesis)) if (!harmless.has(name.toLowerCase())) return true;
  return false;
}

const rememberedMax = 1_000;

/** As `mayWrite`, but it examines each text once. */
export function rememberingMayWrite(): (text: string) => boolean {
  const known = new Map<string, boolean>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= rememberedMax) known.clear();
    const may = mayWrite(text);
    known.set(text, may);
    return may;
  };
}
