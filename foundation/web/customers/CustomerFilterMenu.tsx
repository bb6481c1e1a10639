import { lazyPage } from '@aether/ui/parts/lazy.tsx';
import type { CustomerFilters as Filters } from '../api/customers.ts';
import { FilterMenu } from '../views/FilterMenu.tsx';

/** Their inputs are half of the page's weight, and few visits use them. */
const CustomerFilters = lazyPage(() => import('./CustomerFilters.tsx'), 'CustomerFilters', 'panel');

type CustomerFilterMenuProps = { filters: Filters; onChange: (part: Partial<Filters>) => void };

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

/** The filters of the list. */
export function CustomerFilterMenu({ filters, onChange }: CustomerFilterMenuProps) {
  const count = Object.keys(none).filter((name) => filters[name as keyof Filters] !== undefined).length;
  return (
    <FilterMenu count={count} onNear={CustomerFilters.preload} onClear={() => onChange(none)}>
      <CustomerFilters filters={filters} onChange={onChange} />
    </FilterMenu>
  );
}
