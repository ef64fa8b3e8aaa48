using HotModel.Fuzz;

namespace HotModel.Tests;

/// <summary>All that the fuzzer begins with, which has what it once found: see scripts/fuzz.sh.</summary>
public class FuzzCorpusTests
{
    public static TheoryData<string> Targets => [.. FuzzTargets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void What_a_target_claims_holds_for_its_corpus(string name)
    {
        FuzzTarget target = FuzzTargets.All.Single(target => target.Name == name);
        string[] files = Directory.GetFiles(Repository.File("tests", "HotModel.Fuzz", "Corpus", name));
        Assert.NotEmpty(files);
        Assert.All(files, file => target.Run(File.ReadAllBytes(file)));
    }
}
