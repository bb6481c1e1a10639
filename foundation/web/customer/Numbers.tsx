import { formatDay } from '@aether/ui/formats.ts';
import { callTo } from '@aether/ui/reach.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { phoneCalls } from '../api/belongings.ts';
import type { CustomerRecord } from '../api/records.ts';
import { Belongings, describeOrigin } from './Belongings.tsx';

/** Every telephone number of a customer. The primary one goes as the last. */
export function Numbers({ record: { customer, phones } }: { record: CustomerRecord }) {
  return (
    <Belongings
      customer={customer}
      title="Telephone numbers"
      one="number"
      items={phones}
      calls={phoneCalls}
      describe={({ phone }) => phone}
      reach={({ phone_key, phone_extension }) => callTo(phone_key, phone_extension)}
      removed=""
      mayRemove={({ is_primary }) => !is_primary || phones.length === 1}
      marks={(phone) => (
        <>
          {phone.is_primary && <Tag tone="accent">Primary</Tag>}
          <span title={describeOrigin(phone)}>since {formatDay(phone.added_at)}</span>
        </>
      )}
      input={{ placeholder: '+49 30 1234567', inputMode: 'tel' }}
    />
  );
}
