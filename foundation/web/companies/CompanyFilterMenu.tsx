import { Checkbox } from '@mantine/core';
import type { CompanyFilters } from '../api/companies.ts';
import { PersonPicker } from '../inputs/Picker.tsx';
import { FilterMenu } from '../views/FilterMenu.tsx';

type CompanyFilterMenuProps = { filters: CompanyFilters; onChange: (part: Partial<CompanyFilters>) => void };

/** The filters of the list. Each choice applies at once. */
export function CompanyFilterMenu({ filters, onChange }: CompanyFilterMenuProps) {
  const count = [filters.owner, filters.no_owner].filter((value) => value !== undefined).length;
  return (
    <FilterMenu count={count} onClear={() => onChange({ owner: undefined, no_owner: undefined })}>
      <PersonPicker
        isFilter
        label="Owner"
        placeholder="Anybody"
        comboboxProps={{ withinPortal: false }}
        disabled={filters.no_owner}
        value={filters.owner ?? null}
        onChange={(owner) => onChange({ owner: owner ?? undefined })}
      />
      <Checkbox
        label="Without an owner"
        checked={filters.no_owner ?? false}
        onChange={(event) => onChange({ no_owner: event.currentTarget.checked || undefined, owner: undefined })}
      />
    </FilterMenu>
  );
}
