import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import { Button } from '@mantine/core';
import { IconListCheck } from '@tabler/icons-react';
import type { CustomerFilters as Filters } from '../api/customers.ts';
import { FilterMenu } from '../views/FilterMenu.tsx';
import { countConditions } from './where.ts';

/** Their inputs are half of the page's weight, and few visits use them. */
const CustomerFilters = lazyPage(() => import('./CustomerFilters.tsx'), 'CustomerFilters', 'panel');

type CustomerFilterMenuProps = {
  filters: Filters;
  onChange: (part: Partial<Filters>) => void;
  onConditions: () => void;
};

const none: Partial<Filters> = {
  tier: undefined,
  tag: undefined,
  manager: undefined,
  no_manager: undefined,
  company: undefined,
  no_company_at: undefined,
  app: undefined,
  created_after: undefined,
  created_before: undefined,
};
const nothing: Partial<Filters> = { ...none, where: undefined };

/** The filters of the list. */
export function CustomerFilterMenu({ filters, onChange, onConditions }: CustomerFilterMenuProps) {
  const simple = Object.keys(none).filter((name) => filters[name as keyof Filters] !== undefined).length;
  const count = simple + countConditions(filters.where);
  return (
    <FilterMenu count={count} onNear={CustomerFilters.preload} onClear={() => onChange(nothing)}>
      <Button variant="light" leftSection={<IconListCheck size={15} />} onClick={onConditions}>
        Conditions…
      </Button>
      <CustomerFilters filters={filters} onChange={onChange} />
    </FilterMenu>
  );
}
