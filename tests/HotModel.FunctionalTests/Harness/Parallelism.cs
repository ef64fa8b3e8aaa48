// Each test runs a hotmodel, a router and a model: more at once would only measure how they starve each other.
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]
