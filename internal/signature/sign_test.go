package signature

import (
	"errors"
	"testing"
	"time"
)

func TestSign(t *testing.T) {
	// The first published vector.
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	got, err := mustParseSecret(t, testSecret).Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999_999_999), []byte(`{"test": 2432232314}`))
	if err != nil || got != want {
		t.Errorf("Sign = %q, %v, want %q", got, err, want)
	}
}

func TestSignWithPublicKey(t *testing.T) {
	public, _ := keyPair(t, "sign")
	got, err := public.Sign(testID, testTime, testBody)
	if got != "" || !errors.Is(err, ErrCannotSign) {
		t.Errorf("Sign = %q, %v, want ErrCannotSign", got, err)
	}
	if want := "a public key (whpk_…) can verify but not sign"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestSelfTest(t *testing.T) {
	symmetric := hmacSecret(t, "self-test")
	public, _ := keyPair(t, "self-test")
	for _, secret := range []*Key{symmetric, public} {
		if err := secret.SelfTest(); err != nil {
			t.Errorf("symmetric %v: %v", secret.Symmetric(), err)
		}
	}
}

func TestSelfTestFindsDisagreement(t *testing.T) {
	secret, other := hmacSecret(t, "self-test"), hmacSecret(t, "other")
	secret.states.New = other.states.New // verifies with another key than it signs with
	const want = "a signature that Svix's library makes with it does not verify here: please report this with the output of caddy list-modules --versions"
	if err := secret.SelfTest(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
