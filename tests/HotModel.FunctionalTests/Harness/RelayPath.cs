namespace HotModel.FunctionalTests.Harness;

/// <summary>The ways in which answers reach a client, as lines for Setup.Server: tests of the relay hold on each.</summary>
internal static class RelayPath
{
    public static TheoryData<string> All => [""];
}
