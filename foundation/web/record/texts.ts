import { showAddress } from '@aether/platform/noaddress';
import { formatMoney } from '@aether/ui/formats.ts';
import { describeTier } from '@aether/ui/tiers.ts';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { companyQuery } from '../api/companies.ts';
import { usersQuery } from '../api/settings.ts';
import { tiersQuery } from '../api/tiers.ts';
import type { FieldSpec, FieldValue } from './fields.ts';
import { showCustomValue } from './values.ts';

/** Describes a field's value in words, with people and companies by name. */
export function useFieldTexts(names: Record<string, string>) {
  const client = useQueryClient();
  const { data: staff } = useQuery(usersQuery);
  const { data: known } = useQuery(tiersQuery);
  const nameCompany = (id: string) => client.getQueryData(companyQuery(id).queryKey)?.company.name ?? 'A company';
  const show = ({ kind, currency }: Pick<FieldSpec, 'kind' | 'currency'>, value: FieldValue): string => {
    if (value === null) return '';
    if (kind === 'email') return showAddress(String(value));
    if (kind === 'person') return staff?.users.find(({ id }) => id === value)?.name ?? 'Somebody';
    if (kind === 'tier') return describeTier(String(value), known?.tiers).label;
    if (kind === 'company') return names[String(value)] ?? nameCompany(String(value));
    if (kind === 'money' && currency) return formatMoney(Number(value), currency);
    if (kind === 'money') return showCustomValue('number', value);
    if (kind === 'number' || kind === 'date' || kind === 'checkbox') return showCustomValue(kind, value);
    return String(value);
  };
  return { show };
}
