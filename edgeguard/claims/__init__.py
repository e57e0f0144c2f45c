"""What a customer says the traffic was, beside what was measured."""
