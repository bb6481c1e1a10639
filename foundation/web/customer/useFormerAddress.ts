import { isNoAddress } from '@aether/platform/noaddress';
import { useRef, useState } from 'react';
import { addressCalls } from '../api/belongings.ts';
import { changeCustomer } from '../api/customers.ts';
import type { CustomerInput, CustomerRecord } from '../api/records.ts';
import type { FormerAddress } from './FormerAddressDialog.tsx';

type Question = { former: string; next: string; answer: (choice: FormerAddress | undefined) => void };
type Correction = { choice: FormerAddress; formerId: string | undefined; wasKnown: boolean };

const isSame = (one: string, other: string) => one.trim().toLowerCase() === other.trim().toLowerCase();

/**
 * Saves changes of a customer. A change of the e-mail first asks what happens to the former address. An undo also takes back the answer.
 */
export function useFormerAddress({ customer, addresses }: CustomerRecord) {
  const [question, setQuestion] = useState<Question | undefined>();
  /** The answers, by the replaced address. */
  const corrections = useRef(new Map<string, Correction>());
  const noAddress = useRef<string>(undefined);

  const ask = (former: string, next: string) =>
    new Promise<FormerAddress>((resolve, reject) =>
      setQuestion({
        former,
        next,
        answer: (choice) => {
          setQuestion(undefined);
          if (choice) resolve(choice);
          else reject(new Error('Not saved. Press Enter to save, or Escape to leave it as it was.'));
        },
      }),
    );

  async function save(change: CustomerInput, version: number, isUndo: boolean) {
    // The page shows a customer without an address as one with an empty e-mail: an undo gives the mark of that back.
    const email = isUndo && change.email === null ? noAddress.current : change.email;
    // This comes first: an undo restores the state that the page showed before, and that customer has the restored address.
    const correction = isUndo && email !== undefined ? corrections.current.get(email) : undefined;
    if (correction) return undo({ ...change, email }, version, correction);
    if (email === undefined || isUndo || isSame(email, customer.email))
      return changeCustomer(customer.id, change, version);
    const wasKnown = addresses.some((each) => isSame(each.email, email));
    const choice = wasKnown || isNoAddress(customer.email) ? 'keep' : await ask(customer.email, email);
    const saved = await changeCustomer(customer.id, { ...change, former_address: choice }, version);
    const formerId = addresses.find((each) => each.is_primary)?.id;
    if (isNoAddress(customer.email)) noAddress.current = customer.email;
    corrections.current.set(customer.email, { choice, formerId, wasKnown });
    return saved;
  }

  /** A freed address comes back first, with its marks. Then it becomes the primary one again. */
  async function undo(change: CustomerInput, version: number, { choice, formerId, wasKnown }: Correction) {
    const at =
      choice === 'free' && formerId !== undefined
        ? (await addressCalls.restore({ customer: customer.id, version }, formerId)).version
        : version;
    const former_address = wasKnown ? 'keep' : 'free';
    return changeCustomer(customer.id, { ...change, former_address }, at);
  }

  return { question, save };
}
