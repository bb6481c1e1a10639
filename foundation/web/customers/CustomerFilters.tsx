import { Picker } from '@aether/ui/Picker.tsx';
import { Checkbox, TextInput } from '@mantine/core';
import type { CustomerFilters as Filters } from '../api/customers.ts';
import { CompanyPicker, PersonPicker } from '../inputs/Picker.tsx';
import { TagInput } from '../inputs/TagInput.tsx';
import { TierInput } from '../inputs/TierInput.tsx';

const inside = { withinPortal: false };

/** The inputs of the filters. Each choice applies at once. */
export function CustomerFilters({
  filters,
  onChange,
}: {
  filters: Filters;
  onChange: (part: Partial<Filters>) => void;
}) {
  return (
    <>
      <TierInput
        label="Tier"
        placeholder="Any"
        comboboxProps={inside}
        value={filters.tier ?? null}
        onChange={(tier) => onChange({ tier: tier ?? undefined })}
      />
      <TagInput
        label="Tag"
        placeholder="Any"
        comboboxProps={inside}
        value={filters.tag === undefined ? null : String(filters.tag)}
        onChange={(tag) => onChange({ tag: tag === null ? undefined : Number(tag) })}
      />
      <PersonPicker
        isFilter
        label="Account manager"
        placeholder="Anybody"
        comboboxProps={inside}
        disabled={filters.no_manager}
        value={filters.manager ?? null}
        onChange={(manager) => onChange({ manager: manager ?? undefined })}
      />
      <Checkbox
        label="Without an account manager"
        checked={filters.no_manager ?? false}
        onChange={(event) => onChange({ no_manager: event.currentTarget.checked || undefined, manager: undefined })}
      />
      <CompanyPicker
        label="Company"
        comboboxProps={inside}
        value={filters.company ?? null}
        onChange={(company) => onChange({ company: company ?? undefined, no_company_at: undefined })}
      />
      {filters.no_company_at && (
        <Checkbox
          label={`Without a company, at ${filters.no_company_at}`}
          checked
          onChange={() => onChange({ no_company_at: undefined })}
        />
      )}
      <Picker
        label="Came from"
        placeholder="Either app"
        clearable
        comboboxProps={inside}
        data={[
          { value: 'foundation', label: 'Foundation' },
          { value: 'support', label: 'Support’s chat' },
        ]}
        value={filters.app ?? null}
        onChange={(app) => onChange({ app: app ?? undefined })}
      />
      <TextInput
        label="Created from"
        type="date"
        value={filters.created_after ?? ''}
        onChange={(event) => onChange({ created_after: event.currentTarget.value || undefined })}
      />
      <TextInput
        label="Created before"
        type="date"
        value={filters.created_before ?? ''}
        onChange={(event) => onChange({ created_before: event.currentTarget.value || undefined })}
      />
    </>
  );
}
