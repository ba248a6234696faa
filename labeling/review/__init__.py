"""What is said about labels: reviews, adjudication, reports."""
