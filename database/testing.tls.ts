import tls from 'node:tls';

/** A certificate of its own for `localhost`, with its key, for tests that need a server with TLS. Nothing but tests trusts it. */
export const testCertificate = {
  key: `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIBngbJVNDKV8rRhgGV4vroPssVPoJcffEar+fN6hhDJVoAoGCCqGSM49
AwEHoUQDQgAEdDOsIAsPLTcaw/xOnM3/EX1pfurYeSlkYTnbITz6oqgdgm9yUJ3k
Ck+f3bo4B6SntQtakZOQvW0DR6Tf0NNsPA==
-----END EC PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBojCCAUegAwIBAgIUTLASv5DM5QHxO671bDQP7PnXftIwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMQWV0aGVyIHRlc3RzMCAXDTI2MTEyODIwMDIwMloYDzIxMjYx
MTA0MjAwMjAyWjAXMRUwEwYDVQQDDAxBZXRoZXIgdGVzdHMwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAR0M6wgCw8tNxrD/E6czf8RfWl+6th5KWRhOdshPPqiqB2C
b3JQneQKT5/dujgHpKe1C1qRk5C9bQNHpN/Q02w8o28wbTAdBgNVHQ4EFgQUEqan
DHLo8wMPg/gOdXjwp00UV8EwHwYDVR0jBBgwFoAUEqanDHLo8wMPg/gOdXjwp00U
V8EwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEw
CgYIKoZIzj0EAwIDSQAwRgIhAJ0evr2SHtgtLNtREq28tDXilU9f9NZeZ2mEOAAH
cE7eAiEA7NXGoLD4RwLWiNfWmWtQchTvE963jogX2vbN621nDho=
-----END CERTIFICATE-----
`,
};

/** Makes this process trust the test's certificate. @returns a function that ends that */
export function trustTestCertificate(): () => void {
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...before, testCertificate.cert]);
  return () => tls.setDefaultCACertificates(before);
}
