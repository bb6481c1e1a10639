import { ConflictDialog } from '@aether/ui/ConflictDialog.tsx';
import { readerWords, useMayChange } from '@aether/ui/reading.tsx';
import type { Provenance } from '../api/records.ts';
import type { FieldSpec, FieldValue, FieldValues, Snapshot } from './fields.ts';
import { InlineField } from './InlineField.tsx';
import classes from './record.module.css';
import { useFieldTexts } from './texts.ts';
import { type Save, useEditing } from './useEditing.ts';

type RecordFieldsProps = {
  /** Such as `customer:<id>`. */
  record: string;
  /** The record's name in messages. */
  name: string;
  specs: FieldSpec[];
  values: FieldValues;
  version: number;
  provenance?: Record<string, Provenance>;
  /** The names of the companies among the values, by id. */
  names?: Record<string, string>;
  save: Save;
  /** Reads the record again, for a conflict whose answer does not carry it. */
  reload: () => Promise<Snapshot>;
};

/** A record's fields, each edited in its place. If two people edit at once, the second sees what differs. */
export function RecordFields({
  record,
  name,
  specs,
  values,
  version,
  provenance = {},
  names = {},
  save,
  reload,
}: RecordFieldsProps) {
  const texts = useFieldTexts(names);
  const mayChange = useMayChange();
  const editing = useEditing({ record, name, specs, save, reload });
  const describe = (field: string, value: unknown) => {
    const spec = specs.find((each) => each.field === field);
    return { label: spec?.label ?? field, text: (spec && texts.show(spec, value as FieldValue)) || 'nothing' };
  };
  return (
    <>
      <dl className={classes.fields}>
        {specs.map((spec) => (
          <InlineField
            key={`${record} ${spec.field}`}
            record={record}
            spec={mayChange ? spec : { ...spec, locked: spec.locked ?? readerWords }}
            snapshot={{ values, version }}
            text={texts.show(spec, values[spec.field] ?? null)}
            provenance={provenance[spec.field]}
            describe={describe}
            onSave={(value, from) => editing.change({ [spec.field]: value }, from)}
          />
        ))}
      </dl>
      {editing.conflict && (
        <ConflictDialog
          conflict={editing.conflict}
          describe={describe}
          onResolve={editing.resolve}
          onCancel={editing.discard}
        />
      )}
    </>
  );
}
