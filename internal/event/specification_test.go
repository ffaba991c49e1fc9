package event

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

const (
	null = "null"

	forbidsNull   = "nullable, but it refers to a schema that forbids null"
	forbidsOthers = "the specification adds it to a schema that forbids all other members"
)

// The examples follow Clerk's OpenAPI specification of its webhooks, version
// 2025-04-15. A validator reports an example only in these places. reason says why
// the example is as it is.
func TestExceptionsFromClerksSpecification(t *testing.T) {
	tests := []struct {
		pattern, path string
		value         string // "" for any
		reason        string
	}{
		{"subscriptionItem.created", "type", "", "the specification no longer has this event"},

		{"organizationDomain.created", "data.affiliation_verification", null, forbidsNull},
		{"organizationDomain.*d", "data.ownership_verification", null, forbidsNull},
		{"organizationDomain.created", "data.verification", null, forbidsNull},
		{"waitlistEntry.created", "data.invitation", null, forbidsNull},
		{"user.*", "data.scim", null, forbidsNull},
		{"paymentAttempt.*", "data.subscription_items.0.credits.proration", null, forbidsNull},
		{"paymentAttempt.*", "data.subscription_items.0.credits.payer", null, forbidsNull},
		{"paymentAttempt.*", "data.failed_reason", null, forbidsNull},
		{"subscription.*", "data.items.0.payer", null, "the schema forbids null, but its description says that it is null within a subscription"},
		{"subscription.updated", "data.items.1.payer", null, "the schema forbids null, but its description says that it is null within a subscription"},

		{"organizationInvitation.*", "data.data", "", forbidsOthers},
		{"organizationInvitation.accepted", "data.user_id", "", forbidsOthers},
		{"session.*", "data.user", "", forbidsOthers},
		{"session.pending", "data.status", `"pending"`, "the list of statuses lacks it, but Clerk's own example has it"},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.path, func(t *testing.T) {
			for _, eventType := range typesWithData(Pattern(tt.pattern)) {
				value := exampleValue(t, eventType, tt.path)
				if !value.Exists() || tt.value != "" && value.Raw != tt.value {
					t.Errorf("%s has %q there, so this exception is not needed (%s)", eventType, value.Raw, tt.reason)
				}
			}
		})
	}
}

func TestExamplesHaveTheMembersThatClerkAdded(t *testing.T) {
	tests := []struct{ pattern, path, value string }{
		{"user.*", "data.scim", null},
		{"user.*", "data.email_addresses.0.verification.channel", null},
		{"user.updated", "data.phone_numbers.0.verification.channel", `"sms"`},
		{"user.*", "data.email_addresses.0.verification.verified_at_client", ""},
		{"user.*", "data.external_accounts.0.verification.verified_at_client", ""},
		{"user.*", "data.external_accounts.0.external_account_id", ""},
		{"session.*", "data.user.email_addresses.0.verification.channel", null},
		{"session.*", "data.user.passkeys.0.verification.verified_at_client", ""},
		{"session.*", "data.user.web3_wallets.0.verification.verified_at_client", ""},
		{"session.*", "data.user.external_accounts.0.external_account_id", ""},
		{"organizationInvitation.*", "data.data.public_organization_data.slug", `"bluefin-rowing-club"`},
		{"organizationDomain.*d", "data.public_organization_data.slug", `"bluefin-rowing-club"`},
		{"paymentAttempt.*", "data.subscription_items.0.credits.total.amount", "0"},
		{"subscription.*", "data.items.0.payer", null},
		{"subscription.updated", "data.items.0.plan.unit_prices.0.name", `"seats"`},
		{"subscriptionItem.active", "data.plan.unit_prices.0.tiers.1.amount_per_block", "300"},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.path, func(t *testing.T) {
			for _, eventType := range typesWithData(Pattern(tt.pattern)) {
				value := exampleValue(t, eventType, tt.path)
				if !value.Exists() || tt.value != "" && value.Raw != tt.value {
					t.Errorf("%s has %q", eventType, value.Raw)
				}
			}
		})
	}
}

// typesWithData returns the types that pattern selects, without deletions. Those have
// little more than an id.
func typesWithData(pattern Pattern) []string {
	return slices.DeleteFunc(Catalogue(), func(eventType string) bool {
		return !pattern.Match(eventType) || strings.HasSuffix(eventType, ".deleted")
	})
}

func exampleValue(t *testing.T, eventType, path string) gjson.Result {
	t.Helper()
	example, known := Example(eventType)
	if !known {
		t.Fatalf("%s is not known", eventType)
	}
	return gjson.GetBytes(example, path)
}
