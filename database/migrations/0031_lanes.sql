-- Lanes: the sessions of Azure Service Bus that share all customers. How many there are is a fact of the platform, not a setting of a
-- worker: two workers that disagreed would send the events of one customer in two lanes, which have no order between them.

-- A relay that has sent already has sent each customer in a session of its own, and goes on so (0) until an operator changes it.
alter table sync.relay
  add column lanes integer not null default 32 check (lanes between 0 and 128),
  add column rests_since timestamptz;
comment on column sync.relay.lanes is 'How many sessions of the topic share all customers; 0: each customer has its own.';
comment on column sync.relay.rests_since is 'The worker that relays has seen the pause, and nothing of what it read before is being sent.';
update sync.relay set lanes = 0 where exists (select from sync.subscriptions s where s.name = 'sync.servicebus');
grant update (rests_since) on sync.relay to sync_role;
call platform.classify_columns('sync.relay', technical => 'lanes rests_since');

-- Changes the number of lanes. The caller has seen that every subscription of the topic is empty while the relay rested: what is sent from
-- then on follows everything that was sent before. Refused while the relay may be sending.
create function sync.set_lanes(wanted integer, reason text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  relay sync.relay;
  outcome jsonb;
begin
  perform sync.require_operator();
  perform sync.require_reason(reason);
  if wanted is null or wanted not between 0 and 128 then
    raise exception 'lanes are 0 to 128' using errcode = 'invalid_parameter_value';
  end if;
  select r.* into strict relay from sync.relay r for update;
  if exists (select from sync.subscriptions s where s.name = 'sync.servicebus' and not s.is_paused)
    or (relay.leased_until > clock_timestamp() and relay.rests_since is null)
  then
    raise exception 'the relay is sending: pause sync.servicebus, and wait until it rests'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  update sync.relay r set lanes = wanted where r.only_one;
  outcome := jsonb_build_object('was', relay.lanes, 'lanes', wanted);
  return outcome || jsonb_build_object('operation', sync.record_operation('relay.lanes', '{}', btrim(reason), outcome));
end $$;
grant execute on function sync.set_lanes(integer, text) to sync_role;

-- A consumer does not hand over an event of whose row it has handled a later version, as after a dead letter was sent again.
alter table sync.consumer_effects drop constraint consumer_effects_state_check,
  add constraint consumer_effects_state_check check (state in ('handled', 'retrying', 'waiting', 'dead', 'outdated'));
