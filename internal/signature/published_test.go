package signature

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func TestPublished(t *testing.T) {
	const example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	zeros := []string{"whsec_AAAA" + strings.TrimPrefix(example, "whsec_"), example + "AA==", "whsec_AAAA" + strings.TrimPrefix(example, "whsec_") + strings.Repeat("A", 12)}
	for _, secret := range append(append(zeros, strings.TrimPrefix(example, "whsec_"), " "+example+"\n"), publishedSecrets...) {
		if !mustParseSecret(t, secret).Published() {
			t.Errorf("%q is not known as published", secret)
		}
	}
	for _, secret := range []string{GenerateSecret(), example + "Br", secretOfLength("whpk_", 32)} {
		if mustParseSecret(t, secret).Published() {
			t.Errorf("%q is taken for a published example", secret)
		}
	}
}

// The vectors come from the publications, except for those with two bytes more.
func TestSecretsOfVectorsArePublished(t *testing.T) {
	for _, v := range readVectors(t) {
		if key, err := ParseSecret(v.Secret); err == nil && !key.Published() && !strings.Contains(v.Secret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr") {
			t.Errorf("%s: %q is not known as published", v.Name, v.Secret)
		}
	}
}

// The private keys are those of sections 7.1 and 7.2 of RFC 8032.
func TestKeysOfTheStandardOfEd25519ArePublished(t *testing.T) {
	for _, private := range []string{
		"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		"f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
		"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
		"0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
		"ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560",
	} {
		seed, err := hex.DecodeString(private)
		if err != nil {
			t.Fatal(err)
		}
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		if !mustParseSecret(t, "whpk_"+base64.StdEncoding.EncodeToString(public)).Published() {
			t.Errorf("the key of %s is not known as published", private)
		}
	}
}
